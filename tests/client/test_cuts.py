"""Exactly once and in order, however often the connection is cut, wherever that hits it.

A thousand cuts while ten thousand events flow take half a minute; AP_TEST_CUTS and AP_TEST_EVENTS
make it shorter or longer.
"""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any

import pytest

from alphapulse_api.client import DashboardClient, Event
from tests.conftest import Server
from tests.proxy import Proxy, proxied
from tests.socket_client import alert, trade

CUTS = int(os.environ.get("AP_TEST_CUTS", "1000"))
EVENTS = int(os.environ.get("AP_TEST_EVENTS", "10000"))
AHEAD = 200  # events published and not yet handed over, at most: they flow while it is cut
ALERT_EVERY = 10
# Bytes of one event with its frame, at least, and of all that precedes it on a connection.
EVENT_BYTES = 350
SECONDS = 15.0 * max(1, CUTS // 100, EVENTS // 2000)


def offsets(rand: random.Random) -> list[int]:
    """Where to cut: so that the events cannot be over before the cuts are."""
    mean = EVENTS * EVENT_BYTES // CUTS * 3 // 4
    return [rand.randrange(1, 2 * mean) for _ in range(CUTS)]


async def publish(server: Server, handed_over: asyncio.Semaphore) -> None:
    for number in range(EVENTS):
        await handed_over.acquire()
        if number % ALERT_EVERY:
            await server.feed.record_trade(trade(id=f"{number}"))
        else:
            await server.feed.raise_alert(alert(id=f"{number}"))


@pytest.mark.timeout(4 * SECONDS)
@pytest.mark.parametrize("seed", [20260301])
async def test_each_event_is_handed_over_once_and_in_order(server: Server, seed: int) -> None:
    key = (await server.key())["X-API-Key"]
    got: dict[str, list[int]] = {"trades": [], "alerts": []}
    window = asyncio.Semaphore(AHEAD)
    proxy: Proxy
    async with (
        proxied(server.url) as proxy,
        DashboardClient(proxy.url, api_key=key, rand=lambda: 0.0) as client,
        client.stream("trades", "alerts") as stream,
    ):
        proxy.cut_at(offsets(random.Random(seed)))
        proxy.cut()
        publisher = asyncio.create_task(publish(server, window))
        async with asyncio.timeout(SECONDS):
            async for item in stream:
                assert isinstance(item, Event), item
                got[item.channel].append(int(item.data["id"]))
                window.release()
                if sum(map(len, got.values())) == EVENTS:
                    break
            await publisher
        assert proxy.cuts == CUTS
        await nothing_more(server, stream)
    every = range(EVENTS)
    assert got["trades"] == [number for number in every if number % ALERT_EVERY]
    assert got["alerts"] == [number for number in every if not number % ALERT_EVERY]


async def nothing_more(server: Server, stream: Any) -> None:
    """The next event is one that is recorded now: none of the others comes again."""
    await server.feed.record_trade(trade(id="last"))
    assert (await anext(stream)).data["id"] == "last"
