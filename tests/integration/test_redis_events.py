"""Several servers on one Redis and one database behave as one, and say so where they cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.client import DashboardClient, Event, StreamGap
from alphapulse_api.config import EventsConfig
from alphapulse_api.sockets import snapshot as snapshot_module
from tests.conftest import Serve, Server
from tests.engines import at
from tests.integration.conftest import Pair, pair_on
from tests.redis_server import RedisServer, running
from tests.socket_client import alert, connect, point, portfolio, trade
from tests.waiting import until


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
