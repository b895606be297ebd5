"""The client's streams of a portfolio as changes: its events have whole portfolios."""

from __future__ import annotations

import asyncio
import json
import random

import pytest

from alphapulse_api.client import DashboardClient, Event, EventStream, StreamGap
from alphapulse_api.client.values import dumps
from alphapulse_api.config import EventsConfig
from tests.conftest import Serve, Server
from tests.portfolio_changes import Desk
from tests.proxy import proxied
from tests.waiting import SECONDS

CHANGES = {"portfolio": {"positions": "changes"}}


@pytest.fixture(params=["memory", "redis"])
async def served(request: pytest.FixtureRequest, serve: Serve) -> Server:
    """A server on each log."""
    if request.param == "memory":
        return await serve()
    url = request.getfixturevalue("redis_url")
    return await serve(events=EventsConfig(type="redis", redis_url=url))


async def follow(stream: EventStream, server: Server, desk: Desk, updates: int) -> None:
    """Update the portfolio, a few times before each look at the stream."""
    chance = random.Random(updates)
    key = await server.key()
    async with DashboardClient(server.url, api_key=key["X-API-Key"]) as client:
        for _ in range(updates):
            for _ in range(chance.randrange(1, 4)):
                await server.feed.update_portfolio(desk.next())
            expected = await client.portfolio()
            async with asyncio.timeout(SECONDS):
                while True:
                    item = await anext(stream)
                    assert isinstance(item, (Event, StreamGap))
                    if isinstance(item, Event) and item.data["as_of"] == expected["as_of"]:
                        break
            assert item.type == "portfolio"
            assert json.loads(dumps(item.data)) == json.loads(dumps(expected))
            item.data["positions"].clear()  # callers may change what they get


@pytest.mark.parametrize("snapshot", [False, True])
async def test_its_portfolios_are_those_of_rest_across_lost_connections(
    served: Server, *, snapshot: bool
) -> None:
    desk, key = Desk(11, positions=40), (await served.key())["X-API-Key"]
    async with (
        proxied(served.url) as proxy,
        DashboardClient(proxy.url, api_key=key, rand=lambda: 0.0) as client,
        client.stream("portfolio", options=CHANGES, snapshot=snapshot) as stream,
    ):
        for _ in range(4):
            await follow(stream, served, desk, updates=8)
            proxy.cut()
            await follow(stream, served, desk, updates=2)
        assert stream.connections == 5
