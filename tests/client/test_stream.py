"""The client's stream against the real server: what a consumer sees, whatever happens between."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, suppress
from decimal import Decimal
from typing import Any

import pytest

from alphapulse_api.config import EventsConfig, WebSocketConfig
from tests.conftest import Serve, Server
from tests.proxy import proxied
from tests.socket_client import alert, connect, gone, point, portfolio, trade
from tests.streams import client_of, one, take
from tests.waiting import SECONDS


async def test_events_of_every_channel_arrive_typed(server: Server) -> None:
    async with client_of(server) as client, client.stream() as stream:
        await server.feed.record_metrics(point())
        await server.feed.raise_alert(alert())
        await server.feed.record_trade(trade(price="10.50"))
        await server.feed.update_portfolio(portfolio("100.10"))
        events = {event.type: event for event in await take(stream, 4)}
    assert events["trade"].channel == "trades"
    assert events["trade"].data["price"].as_tuple() == Decimal("10.50").as_tuple()
    assert events["trade"].data["executed_at"].utcoffset().total_seconds() == 0
    assert events["portfolio"].data["total_value"] == Decimal("100.10")
    assert events["metric"].data["value"] == 1.0
    assert events["alert"].data["status"] == "active"
    assert not any(event.snapshot or event.skipped for event in events.values())


async def test_filters_and_snapshot(server: Server) -> None:
    await server.feed.record_trades([trade(), trade("MSFT"), trade()])
    async with client_of(server) as client:
        options: Any = {"filters": {"trades": {"symbols": ["AAPL"]}}, "snapshot": True}
        async with client.stream("trades", **options) as stream:
            events = await take(stream, 2)
            assert all(event.snapshot for event in events)
            await server.feed.record_trades([trade("MSFT"), trade()])
            (live,) = await take(stream, 1)
            assert (live.snapshot, live.data["symbol"]) == (False, "AAPL")


async def test_what_is_read_by_rest_and_then_streamed_has_no_gap(server: Server) -> None:
    await server.feed.record_trade(trade(id="before"))
    async with client_of(server) as client:
        rows = client.trades()
        assert [row["id"] for row in await rows] == ["before"]
        await server.feed.record_trade(trade(id="between"))
        assert rows.stream_cursor is not None
        async with client.stream("trades", since={"trades": rows.stream_cursor}) as stream:
            (event,) = await take(stream, 1)
    assert event.data["id"] == "between"


async def test_another_stream_goes_on_from_stored_cursors(server: Server) -> None:
    async with client_of(server) as client:
        async with client.stream("trades", "alerts") as stream:
            await server.feed.record_trades([trade(id=f"t{i}") for i in range(5)])
            await take(stream, 2)
            cursors = stream.cursors
        await server.feed.raise_alert(alert(id="a"))
        async with client.stream("trades", "alerts", since=cursors) as stream:
            events = await take(stream, 4)
    assert [event.data["id"] for event in events] == ["t2", "t3", "t4", "a"]


async def test_a_log_that_is_too_short_is_a_gap(serve: Serve) -> None:
    server = await serve(events=EventsConfig(history_size=3))
    async with (
        proxied(server.url) as proxy,
        client_of(server, proxy.url) as client,
        client.stream("trades", "alerts") as stream,
    ):
        proxy.freeze()
        proxy.cut()
        await gone(server)
        await server.feed.record_trades([trade() for _ in range(4)])
        await server.feed.raise_alert(alert(id="a"))
        proxy.thaw()
        items = [await one(stream), await one(stream)]
        assert {type(item).__name__: item.channel for item in items} == {
            "StreamGap": "trades",
            "Event": "alerts",
        }


async def test_heartbeats_move_the_cursor_past_what_filters_hide(serve: Serve) -> None:
    server = await serve(
        websocket=WebSocketConfig(ping_interval=0.05), events=EventsConfig(history_size=2)
    )
    async with (
        proxied(server.url) as proxy,
        client_of(server, proxy.url) as client,
        client.stream("trades", filters={"trades": {"symbols": ["AAPL"]}}) as stream,
    ):
        await server.feed.record_trades([trade("MSFT") for _ in range(5)])
        end = server.backend.events.cursor("trades")
        async with asyncio.timeout(SECONDS):
            while stream.cursors.get("trades") != end:
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await anext(stream)
        proxy.cut()
        await gone(server)
        await server.feed.record_trade(trade(id="t0"))
        await take(stream, 1)  # the log is too short to resume from the first event


async def test_a_slow_consumer_gets_every_trade(serve: Serve, caplog: Any) -> None:
    server = await serve(websocket=WebSocketConfig(max_buffer=10_000))
    caplog.set_level(logging.WARNING, "alphapulse_api.client")
    text = "x" * 4000
    async with client_of(server) as client, client.stream("trades", buffer=1) as stream:
        for number in range(0, 2000, 100):
            await server.feed.record_trades(
                [trade(id=f"t{n}", metadata={"note": text}) for n in range(number, number + 100)]
            )
        events = await take(stream, 2000)
        assert stream.connections > 1, "the server was to give it up"
    assert [event.data["id"] for event in events] == [f"t{n}" for n in range(2000)]
    assert "slow_consumer" in caplog.text or "without a close" in caplog.text


async def test_waiting_may_be_given_up_and_taken_up_again(server: Server) -> None:
    async with client_of(server) as client, client.stream("trades") as stream:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await anext(stream)
        await server.feed.record_trade(trade())
        await take(stream, 1)


async def test_closing_ends_the_iteration_also_of_one_who_waits(server: Server) -> None:
    async with client_of(server) as client:
        stream = client.stream("trades")
        waiting = asyncio.create_task(anext(stream, None))
        async with asyncio.timeout(SECONDS):
            await stream.__aenter__()
            await stream.aclose()
            assert await waiting is None
            assert [item async for item in stream] == []
            never_begun = client.stream("trades")
            await never_begun.aclose()
            assert [item async for item in never_begun] == []
        left_open = client.stream("trades")
        await left_open.__aenter__()
    assert await anext(left_open, None) is None
    await gone(server)


async def test_a_busy_consumer_keeps_its_connection(serve: Serve) -> None:
    server = await serve(websocket=WebSocketConfig(ping_interval=0.2))
    async with client_of(server) as client, client.stream("trades", buffer=1) as stream:
        await server.feed.record_trades([trade(id=f"t{n}") for n in range(5)])
        async with connect(server, await server.key(name="other")) as other:
            for _ in range(6):  # intervals in which the consumer takes nothing
                await other.receive("heartbeat")
        await server.feed.record_trade(trade(id="t5"))
        assert [event.data["id"] for event in await take(stream, 6)] == [f"t{n}" for n in range(6)]
        assert stream.connections == 1


async def test_what_was_read_is_not_lost_when_a_busy_consumers_connection_ends(
    serve: Serve,
) -> None:
    server = await serve(websocket=WebSocketConfig(ping_interval=0.1))
    async with (
        proxied(server.url) as proxy,
        client_of(server, proxy.url) as client,
        client.stream("trades", buffer=1) as stream,
    ):
        await server.feed.record_trades([trade(id=f"t{n}") for n in range(20)])
        proxy.cut()
        await gone(server)
        await server.feed.record_trades([trade(id=f"t{n}") for n in range(20, 25)])
        events = await take(stream, 25)
    assert [event.data["id"] for event in events] == [f"t{n}" for n in range(25)]


async def test_streams_take_no_connection_from_requests(server: Server) -> None:
    async with client_of(server) as client, AsyncExitStack() as stack:
        streams = [client.stream("trades") for _ in range(101)]
        async with asyncio.timeout(SECONDS):
            for stream in streams:
                await stack.enter_async_context(stream)
            await asyncio.gather(*(client.me() for _ in range(20)))
        await server.feed.record_trade(trade())
        for stream in streams:
            await take(stream, 1)
