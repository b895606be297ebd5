"""Gaps of a shared event log: reported in order, to those who subscribed before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.log import Gap
from alphapulse_api.log.position import StreamPosition
from alphapulse_api.log.redis import scripts
from alphapulse_api.sockets import snapshot as snapshot_module
from alphapulse_api.sockets.subscription import Subscription
from tests import view
from tests.conftest import Server
from tests.integration.conftest import Pair
from tests.socket_client import connect, point, raw, trade
from tests.waiting import until


async def tear(server: Server, channel: str) -> None:
    """What a process does that could not keep all of its events: a break, here and everywhere."""
    events: Any = server.backend.events
    gaps, stream = events.gaps, scripts.STREAMS[channel]
    place = StreamPosition.parse(events.cursor(channel))
    assert place is not None
    torn = place._replace(ms=place.ms + 1, offset=place.offset + 1)
    redis = view.client_of(events)
    await redis.xadd(stream, {"after": place.cursor, "break": ""}, id=torn.id)
    await redis.hset(scripts.LOG, stream, torn.id)
    await until(lambda: events.gaps > gaps)


async def test_a_gap_while_a_snapshot_is_read_is_reported_in_its_place(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _, headers = pair
    read = snapshot_module.read_snapshot
    await server.feed.record_trade(trade(id="past"))
    await until(lambda: server.backend.events.offset("trades") == 2)

    async def read_late(*args: Any) -> Any:
        rows = await read(*args)
        await server.feed.record_trade(trade(id="before"))
        await until(lambda: server.backend.events.offset("trades") == 3)
        await tear(server, "trades")
        await server.feed.record_trade(trade(id="after"))
        await until(lambda: server.backend.events.offset("trades") == 5)
        return rows

    monkeypatch.setattr(snapshot_module, "read_snapshot", read_late)
    async with connect(server, headers) as client:
        await client.ask(type="subscribe", channels=["trades"], snapshot=True)
        past, end, before, gap, after = await client.receive_many(5)
        assert end["type"] == "snapshot_end"
        assert [m["data"]["id"] for m in (past, before, after)] == ["past", "before", "after"]
        assert gap["type"] == "resync"
        assert await client.settled() == []


async def test_a_gap_while_a_snapshot_fails_is_reported_to_subscribers(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _, headers = pair

    async def read(*_: Any) -> Any:
        await tear(server, "trades")
        raise Unavailable("the database is away", 1)

    monkeypatch.setattr(snapshot_module, "read_snapshot", read)
    async with connect(server, headers) as client:
        await client.ask(type="subscribe", channels=["trades"])
        await client.send(type="subscribe", channels=["trades"], snapshot=True)
        messages = await client.receive_many(2)
        assert {m["type"] for m in messages} == {"resync", "error"}
        await server.feed.record_trade(trade(id="after"))
        assert (await client.receive("trade"))["data"]["id"] == "after"


async def test_a_lagging_client_gets_a_gap_in_order_and_nothing_older_behind_it(pair: Pair) -> None:
    server, _, headers = pair
    events = server.backend.events
    async with raw(server, headers) as client:
        await client.send(type="subscribe", channels=["trades", "metrics"])
        await client.until("subscribed")
        (connection,) = server.backend.connections
        n = 0
        while not connection.writer.backlog:
            await server.feed.record_trade(trade(id=f"{n:04}", metadata={"pad": "x" * 10_000}))
            await server.feed.record_metrics([point("a", n), point("b", n)])
            n += 1
        before = {name: events.offset(name) for name in ("trades", "metrics")}
        for name in before:
            await tear(server, name)
        await server.feed.record_metrics(point("a", n))
        await server.feed.record_trade(trade(id=f"{n:04}"))
        await until(lambda: all(events.offset(name) == before[name] + 2 for name in before))
        await client.send(type="ping")
        messages = await client.until("pong")
    received = [m for m in messages if m.get("channel") == "trades"]
    assert [m["data"]["id"] for m in received if m["type"] == "trade"] == [
        f"{i:04}" for i in range(n + 1)
    ]
    assert [m["type"] for m in received[-2:]] == ["resync", "trade"]
    received = [m for m in messages if m.get("channel") == "metrics"]
    gap = [m["type"] for m in received].index("resync")
    assert [(m["data"]["name"], m["data"]["value"]) for m in received[gap + 1 :]] == [("a", n)]
    assert ("b", n - 1) in [(m["data"]["name"], m["data"]["value"]) for m in received[:gap]]


def test_a_gap_is_not_sent_to_a_subscription_that_began_after_it() -> None:
    sent: list[bytes] = []
    writer: Any = SimpleNamespace(send=sent.append)
    early = Subscription(CHANNELS["trades"], {}, 4, "c-4", writer)
    late = Subscription(CHANNELS["trades"], {}, 5, "c-5", writer)
    gap = Gap(CHANNELS["trades"], 5, "c-5")
    for subscription in (early, late):
        assert subscription.release() == []
        subscription.offer_gap(gap)
    assert sent == [gap.text]
