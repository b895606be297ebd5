"""Exactly once and in order, however often the connection is cut, wherever that hits it.

A thousand cuts while ten thousand events flow take half a minute, so they have a mark; a fifth of
both is among the tests that always run.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from alphapulse_api.client import DashboardClient, Event
from tests.conftest import Server
from tests.proxy import Proxy, proxied
from tests.socket_client import alert, trade

AHEAD = 200  # events published and not yet handed over, at most: they flow while it is cut
ALERT_EVERY = 10
# Bytes of one event with its frame, at least, and of all that precedes it on a connection.
EVENT_BYTES = 350
EVENTS_A_CUT = 10
SECONDS_A_CUT = 0.15


def offsets(rand: random.Random, cuts: int) -> list[int]:
    """Where to cut: so that the events cannot be over before the cuts are."""
    mean = EVENTS_A_CUT * EVENT_BYTES * 3 // 4
    return [rand.randrange(1, 2 * mean) for _ in range(cuts)]


async def publish(server: Server, count: int, handed_over: asyncio.Semaphore) -> None:
    for number in range(count):
        await handed_over.acquire()
        if number % ALERT_EVERY:
            await server.feed.record_trade(trade(id=f"{number}"))
        else:
            await server.feed.raise_alert(alert(id=f"{number}"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("cuts", [200, pytest.param(1000, marks=pytest.mark.kills)])
async def test_each_event_is_handed_over_once_and_in_order(server: Server, cuts: int) -> None:
    count = cuts * EVENTS_A_CUT
    key = (await server.key())["X-API-Key"]
    got: dict[str, list[int]] = {"trades": [], "alerts": []}
    window = asyncio.Semaphore(AHEAD)
    proxy: Proxy
    async with (
        proxied(server.url) as proxy,
        DashboardClient(proxy.url, api_key=key, rand=lambda: 0.0) as client,
        client.stream("trades", "alerts") as stream,
    ):
        proxy.cut_at(offsets(random.Random(20260301), cuts))
        proxy.cut()
        publisher = asyncio.create_task(publish(server, count, window))
        async with asyncio.timeout(cuts * SECONDS_A_CUT):
            async for item in stream:
                assert isinstance(item, Event), item
                got[item.channel].append(int(item.data["id"]))
                window.release()
                if sum(map(len, got.values())) == count:
                    break
            await publisher
        assert proxy.cuts == cuts
        await nothing_more(server, stream)
    every = range(count)
    assert got["trades"] == [number for number in every if number % ALERT_EVERY]
    assert got["alerts"] == [number for number in every if not number % ALERT_EVERY]


async def nothing_more(server: Server, stream: Any) -> None:
    """The next event is one that is recorded now: none of the others comes again."""
    await server.feed.record_trade(trade(id="last"))
    assert (await anext(stream)).data["id"] == "last"
