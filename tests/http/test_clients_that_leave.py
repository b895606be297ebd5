"""A client that leaves before its answer: the store works no longer for nobody."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest

from alphapulse_api.storage.page import Page
from tests import view
from tests.conftest import Server
from tests.waiting import SECONDS, until


class Endless:
    """A store whose questions take until they are cancelled, or released."""

    def __init__(self, server: Server) -> None:
        self.asking = 0
        self.cancelled = 0
        self.release = asyncio.Event()
        server.dashboard.trades.get_trades = self.get_trades

    async def get_trades(self, **_: Any) -> Page:
        self.asking += 1
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.asking -= 1
        return Page()


async def leaver(server: Server, headers: dict[str, str], path: str) -> asyncio.StreamWriter:
    """A client that has asked and waits for its answer."""
    url = urlsplit(str(server.url))
    _, writer = await asyncio.open_connection(url.hostname, url.port)
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", *(f"{n}: {v}" for n, v in headers.items())]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    return writer


@pytest.mark.parametrize("path", ["/api/trades", "/api/trades?format=csv"])
async def test_a_question_is_cancelled_when_its_client_leaves(server: Server, path: str) -> None:
    store = Endless(server)
    client = await leaver(server, await server.key(), path)
    await until(lambda: store.asking == 1)
    client.close()
    await until(lambda: store.cancelled == 1)
    assert store.asking == 0


async def test_a_question_goes_on_for_those_who_stay(server: Server) -> None:
    store = Endless(server)
    answers = view.backend(server.dashboard).answers
    caller = {**await server.key(), "Accept-Encoding": "identity"}
    client = await leaver(server, caller, "/api/trades")
    await until(lambda: store.asking == 1)
    staying = asyncio.create_task(server.json("/api/trades", caller))
    leaving = await leaver(server, caller, "/api/trades")
    await until(lambda: answers.waiting == 3)
    client.close()
    leaving.close()
    await until(lambda: answers.waiting == 1)
    store.release.set()
    async with asyncio.timeout(SECONDS):
        assert await staying == []
    assert store.cancelled == 0
