"""Servers whose cache is in a Redis that fails, and what they say of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from alphapulse_api.runtime.redis import RedisLink
from tests import view
from tests.asking import Answer, ask
from tests.conftest import Server
from tests.proxy import Proxy, proxied
from tests.redis_server import RedisServer
from tests.waiting import SECONDS

Caller = dict[str, str]

ServeOn = Callable[..., Awaitable[Server]]


@asynccontextmanager
async def before(redis: RedisServer) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy, and the URL that leads through it."""
    async with proxied(redis.url) as proxy:
        yield proxy, proxy.url.replace("http:", "redis:") + "/0"


def link_of(server: Server) -> RedisLink:
    (link,) = server.backend.links
    return link


@asynccontextmanager
async def returned(server: Server) -> AsyncIterator[None]:
    """What is done inside brings Redis back; afterwards the server knows."""
    link, back = link_of(server), asyncio.Event()
    link.on_return(back.set)
    yield
    async with asyncio.timeout(SECONDS):
        await back.wait()
    view.stop_watching(link, back.set)


async def get(server: Server, caller: Caller, path: str = "/api/trades") -> Answer:
    answer = await ask(server, "GET", path, caller)
    assert answer.status == 200, answer.body
    return answer


async def state(server: Server, caller: Caller, path: str = "/api/trades") -> str:
    return (await get(server, caller, path)).headers["X-Cache"]


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said of Redis, a word each."""
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]
    words = [record.message for record in caplog.records if "redis at" in record.message]
    return ["away" if "is away" in message else "back" for message in words]
