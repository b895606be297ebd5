"""The clients of examples/ that need no package of ours resume after a cut, and are short."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.clients.toolbox import Toolbox
from tests.commands import ROOT
from tests.conftest import Serve, Server
from tests.proxy import proxied
from tests.socket_client import trade
from tests.waiting import until

pytestmark = pytest.mark.clients

EXAMPLES = ROOT / "examples"
CLIENTS = {
    "resuming_client.py": ("python",),
    "resuming_client.mjs": ("node",),
    "resuming_client.go": ("go", "run"),
}
SECONDS = 60


class Follower:
    """A client of trades that runs; what it prints are messages."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def receive(self, kind: str) -> dict[str, Any]:
        """The next message of that type."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            message: dict[str, Any] = json.loads(line)
            assert message["type"] != "error", message
            if message["type"] == kind:
                return message
        assert self._process.stderr is not None
        raise AssertionError((await self._process.stderr.read()).decode())

    async def ids(self, count: int) -> list[str]:
        """The ids of the next trades."""
        return [(await self.receive("trade"))["data"]["id"] for _ in range(count)]


@asynccontextmanager
async def following(
    toolbox: Toolbox, name: str, url: str, key: dict[str, str]
) -> AsyncIterator[Follower]:
    command = (*CLIENTS[name], str(EXAMPLES / name), f"{url.replace('http', 'ws')}/ws", "trades")
    process = await toolbox.start(*command, AP_API_KEY=key["X-API-Key"])
    try:
        async with asyncio.timeout(SECONDS):
            yield Follower(process)
    finally:
        toolbox.kill(process)
        await process.communicate()


async def record(server: Server, *ids: str) -> None:
    for id_ in ids:
        await server.feed.record_trade(trade(id=id_))


@pytest.mark.parametrize("name", CLIENTS)
async def test_the_client_resumes_where_it_was_cut(
    server: Server, toolbox: Toolbox, name: str
) -> None:
    key = await server.key()
    async with proxied(server.url) as proxy, following(toolbox, name, proxy.url, key) as follower:
        await follower.receive("subscribed")
        await record(server, "a", "b")
        assert await follower.ids(2) == ["a", "b"]
        proxy.cut()
        await record(server, "c", "d")
        assert (await follower.receive("subscribed"))["channels"]["trades"]["resumed"] is True
        await record(server, "e")
        assert await follower.ids(3) == ["c", "d", "e"]


@pytest.mark.parametrize("name", CLIENTS)
async def test_the_client_tells_that_events_are_missing_and_goes_on(
    serve: Serve, toolbox: Toolbox, name: str
) -> None:
    first = await serve()
    key = await first.key()
    async with proxied(first.url) as proxy, following(toolbox, name, proxy.url, key) as follower:
        await follower.receive("subscribed")
        await first.dashboard.__aexit__(None, None, None)
        second = await serve()
        proxy.target = second.url
        proxy.cut()
        assert (await follower.receive("subscribed"))["channels"]["trades"]["resumed"] is False
        await until(lambda: len(second.backend.connections.fanout.subscriptions("trades")) == 1)
        await record(second, "a")
        assert await follower.ids(1) == ["a"]


@pytest.mark.parametrize("name", CLIENTS)
def test_the_client_has_less_than_forty_lines(name: str) -> None:
    """Of code: not counting those that are blank, comments or imports."""
    code = (EXAMPLES / name).read_text(encoding="utf-8")
    code = re.sub(
        r'^import \(.*?^\)|^""".*?"""|^\s*//.*?$|^(import|from) .*?$', "", code, flags=re.M | re.S
    )
    assert sum(bool(line.strip()) for line in code.splitlines()) < 40
