"""Fixtures that several files of this folder use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from alphapulse_api.client import DashboardClient
from alphapulse_api.config import CacheConfig, EventsConfig
from alphapulse_api.runtime import redis as redis_link
from tests.conftest import Serve, Server
from tests.redis_faults import ServeOn
from tests.redis_server import RedisServer, running

Pair = tuple[Server, Server, dict[str, str]]


async def pair_on(serve: Serve, url: str, store: dict[str, Any]) -> Pair:
    """Two servers, and the headers of a viewer that both know."""
    sections = {**store, "events": EventsConfig(type="redis", redis_url=url)}
    one, other = await serve(**sections), await serve(**sections)
    headers = await one.login("admin")
    await other.backend.authenticator.refresh()
    return one, other, headers


@pytest.fixture
async def pair(serve: Serve, redis_url: str, shared_store: dict[str, Any]) -> Pair:
    return await pair_on(serve, redis_url, shared_store)


@pytest.fixture(params=["feed", "client"])
async def writer(request: pytest.FixtureRequest, server: Server) -> Any:
    """What a trading process calls: the feed, or the client over HTTP."""
    key = (await server.key("publish"))["X-API-Key"]
    async with DashboardClient(server.url, api_key=key) as client:
        yield server.feed if request.param == "feed" else client


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_link, "PROBE_SECONDS", 0.05)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A server of one's own, to do harm to."""
    with running() as server:
        yield server


@pytest.fixture
def serve_on(serve: Serve) -> ServeOn:
    """Start a dashboard whose cache is at that URL."""

    async def start(url: str, **sections: Any) -> Server:
        return await serve(cache=CacheConfig(type="redis", redis_url=url), **sections)

    return start
