"""Several servers on one Redis and one database behave as one, and say so where they cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.client import DashboardClient, Event, StreamGap
from alphapulse_api.config import EventsConfig
from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.log import Gap
from alphapulse_api.log.position import StreamPosition
from alphapulse_api.log.redis import scripts
from alphapulse_api.sockets import snapshot as snapshot_module
from alphapulse_api.sockets.subscription import Subscription
from tests import view
from tests.conftest import Serve, Server
from tests.engines import at
from tests.redis_server import RedisServer, running
from tests.socket_client import alert, connect, point, portfolio, raw, trade
from tests.waiting import until

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


@pytest.fixture
def harmed(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis to do harm to; it keeps nothing."""
    with running(tmp_path / "redis") as server:
        yield server


RECORDS: dict[str, Callable[[Server], Awaitable[Any]]] = {
    "trades": lambda server: server.feed.record_trade(trade()),
    "alerts": lambda server: server.feed.raise_alert(alert()),
    "metrics": lambda server: server.feed.record_metrics(point()),
    "portfolio": lambda server: server.feed.update_portfolio(portfolio()),
}


@pytest.mark.parametrize("channel", list(RECORDS))
async def test_what_one_records_reaches_the_sockets_of_all(pair: Pair, channel: str) -> None:
    one, other, headers = pair
    async with connect(one, headers) as here, connect(other, headers) as there:
        for client in (here, there):
            await client.ask(type="subscribe", channels=[channel])
        for server in (one, other, one):
            await RECORDS[channel](server)
        messages = await here.receive_many(3)
        assert messages == await there.receive_many(3)
        assert [m["channel"] for m in messages] == [channel] * 3
    async with connect(other, headers) as client:
        since = {channel: messages[0]["cursor"]}
        ack = await client.ask(type="subscribe", channels=[channel], since=since)
        assert ack["channels"][channel]["replayed"] == 2
        assert await client.receive_many(2) == messages[1:]


def writes_before_the_snapshot(
    monkeypatch: pytest.MonkeyPatch,
    server: Server,
    channel: str,
    *writes: Callable[[], Awaitable[Any]],
) -> None:
    """Let these be stored and published between a subscription's beginning and its snapshot."""
    read = snapshot_module.read_snapshot
    events = server.backend.events

    async def read_late(*args: Any) -> Any:
        offset = events.offset(channel)
        for write in writes:
            await write()
        await until(lambda: events.offset(channel) == offset + len(writes))
        return await read(*args)

    monkeypatch.setattr(snapshot_module, "read_snapshot", read_late)


@pytest.mark.parametrize("channel", list(RECORDS))
async def test_what_a_snapshot_includes_no_event_repeats(
    pair: Pair, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, headers = pair
    writes_before_the_snapshot(monkeypatch, other, channel, lambda: RECORDS[channel](one))
    async with connect(other, headers) as client:
        await client.ask(type="subscribe", channels=[channel], snapshot=True)
        (message,) = await client.settled()
    assert message["snapshot"] is True


REPLACED: dict[str, Callable[[Server, int], Awaitable[Any]]] = {
    "metrics": lambda server, n: server.feed.record_metrics(point(value=n, timestamp=at(0))),
    "portfolio": lambda server, n: server.feed.update_portfolio(portfolio(str(n), as_of=at(0))),
}


@pytest.mark.parametrize("channel", list(REPLACED))
async def test_what_was_replaced_while_a_snapshot_was_read_ends_as_it_is(
    pair: Pair, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, headers = pair
    writes_before_the_snapshot(
        monkeypatch, other, channel, *(partial(REPLACED[channel], one, n) for n in (1, 2))
    )
    async with connect(other, headers) as client:
        await client.ask(type="subscribe", channels=[channel], snapshot=True)
        snapshot, older, newest = await client.settled()
    assert snapshot["snapshot"] is True
    assert snapshot["data"] == newest["data"] != older["data"]


async def test_the_cursor_of_a_get_resumes_on_another_server_at_once(pair: Pair) -> None:
    one, other, headers = pair
    async with connect(one, headers) as first:
        await first.ask(type="subscribe", channels=["trades"])
        for n in range(20):
            await one.feed.record_trade(trade(id=str(n)))
            cursor = (await first.receive("trade"))["cursor"]
            async with connect(other, headers) as client:
                ack = await client.ask(
                    type="subscribe", channels=["trades"], since={"trades": cursor}
                )
                assert ack["channels"]["trades"] == {
                    "cursor": cursor, "resumed": True, "replayed": 0,
                }  # fmt: skip


async def test_a_cached_answer_is_not_older_than_an_event(pair: Pair) -> None:
    one, other, headers = pair
    async with connect(other, headers) as client:
        await client.ask(type="subscribe", channels=["trades"])
        for n in range(10):
            await one.feed.record_trade(trade(id=str(n)))
            await client.receive("trade")
            found = await other.json("/api/trades", headers)
            assert [row["id"] for row in found] == [str(i) for i in range(n, -1, -1)]
    assert await other.json("/api/agents", headers) == []
    await one.feed.update_agent("momentum", {"agent_type": "trend", "state": "active"})
    await until(lambda: other.json("/api/agents", headers))


async def test_without_redis_everything_goes_on_and_then_all_get_a_resync(
    serve: Serve, harmed: RedisServer, shared_store: dict[str, Any]
) -> None:
    one, other, headers = await pair_on(serve, harmed.url, shared_store)
    async with connect(one, headers) as here, connect(other, headers) as there:
        filters = {"trades": {"symbols": ["AAPL"]}}
        start = await here.ask(type="subscribe", channels=["trades"])
        await there.ask(type="subscribe", channels=["trades"], filters=filters)
        await one.feed.record_trade(trade(id="1"))
        old = (await here.receive("trade"))["cursor"]
        await there.receive("trade")

        harmed.kill()
        body = trade(id="2")
        async with one.request("POST", "/api/trades", json=body, headers=headers) as response:
            assert response.status == 201
        assert await here.settled() == []
        again = {"trades": start["channels"]["trades"]["cursor"]}
        ack = await here.ask(type="subscribe", channels=["trades"], since=again)
        assert ack["channels"]["trades"]["replayed"] == 1
        assert (await here.receive("trade"))["cursor"] == old
        async with one.request("GET", "/metrics", headers=headers) as response:
            assert "alphapulse_events_waiting 1.0" in await response.text()

        await asyncio.to_thread(harmed.start)
        for client in (here, there):
            gap, event = await client.receive_many(2)
            assert gap == {"type": "resync", "channel": "trades", "cursor": gap["cursor"]}
            assert event["data"]["id"] == "2"
            await client.ask(type="subscribe", channels=["trades"], since={"trades": old})
            for since, replayed in ((gap["cursor"], 1), (event["cursor"], 0), (old, None)):
                ack = await client.ask(
                    type="subscribe", channels=["trades"], since={"trades": since}
                )
                assert ack["channels"]["trades"]["resumed"] is (replayed is not None)
                assert len(await client.settled()) == (replayed or 0)


async def test_the_client_goes_on_behind_a_resync(
    serve: Serve, harmed: RedisServer, shared_store: dict[str, Any]
) -> None:
    one, other, _ = await pair_on(serve, harmed.url, shared_store)
    key = (await one.key())["X-API-Key"]
    async with (
        DashboardClient(one.url, api_key=key, rand=lambda: 0.0) as client,
        client.stream("trades") as stream,
    ):
        await one.feed.record_trade(trade(id="1"))
        assert isinstance(await anext(stream), Event)
        harmed.kill()
        await asyncio.to_thread(harmed.start)
        gap = await anext(stream)
        assert isinstance(gap, StreamGap)
        assert stream.cursors == {"trades": gap.cursor}
        await other.feed.record_trade(trade(id="2"))
        (connection,) = one.backend.connections
        connection.abort()
        event = await anext(stream)
        assert isinstance(event, Event)
        assert (event.data["id"], stream.connections) == ("2", 2)


async def test_a_process_that_only_feeds_reaches_the_sockets_of_others(
    serve: Serve, config: Config, redis_url: str
) -> None:
    shared = replace(config, events=EventsConfig(type="redis", redis_url=redis_url))
    server = await serve(events=shared.events)
    async with connect(server, await server.login("viewer")) as client:
        await client.ask(type="subscribe", channels=["trades"])
        async with Dashboard(shared, serve=False) as trading:
            await trading.feed.record_trade(trade(id="1"))
            assert (await client.receive("trade"))["data"]["id"] == "1"


# -- a break in its order -------------------------------------------------------------------------


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
        past, before, gap, after = await client.receive_many(4)
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
