"""Clients that read slowly or not at all: what they cost, what they lose, whom they disturb."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest

from alphapulse_api.config import EventsConfig, WebSocketConfig
from alphapulse_api.sockets import readings
from tests import view
from tests.conftest import Serve, Server
from tests.socket_client import connect, gone, point, raw, trade
from tests.waiting import until

SOON = 20.0  # seconds; a reader that is late, or answers no ping, is closed after 30
PAD = {"pad": "x" * 400}  # so that a few thousand events are more than the kernel buffers


def big_trades(first: int, count: int) -> list[dict[str, Any]]:
    return [trade(id=f"{n:06}", metadata=PAD) for n in range(first, first + count)]


def small_kernel_buffers(server: Server) -> None:
    """So that few megabytes are enough to make a client lag."""
    for connection in server.backend.connections:
        if connection.writer.transport.is_closing():
            continue
        sock = connection.writer.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)


# Only a full backlog evicts: nothing is as old as the longest wait of a test.
LIMITED = WebSocketConfig(max_buffer=200_000, max_lag=600)


async def test_a_stalled_reader_of_trades_is_evicted_soon(serve: Serve) -> None:
    server = await serve(websocket=LIMITED)
    connections = server.backend.connections
    async with raw(server, await server.login("viewer")) as client:
        small_kernel_buffers(server)
        await client.send(type="subscribe", channels=["trades"])
        await client.until("subscribed")
        (connection,) = connections
        for first in range(0, 2000, 500):
            await server.feed.record_trades(big_trades(first, 500))
            assert connection.writer.waiting <= LIMITED.max_buffer + 65_536
        async with asyncio.timeout(SOON):
            await gone(server)
        assert connections.evicted == 1
        assert connection.writer.waiting == 0
        got = [m["data"]["id"] async for m in client.messages() if m["type"] == "trade"]
        assert got == [f"{n:06}" for n in range(len(got))]


async def test_an_evicted_reader_that_wakes_receives_the_reason(serve: Serve) -> None:
    server = await serve(websocket=LIMITED)
    async with raw(server, await server.login("viewer")) as client:
        small_kernel_buffers(server)
        await client.send(type="subscribe", channels=["trades"])
        await client.until("subscribed")
        await server.feed.record_trades(big_trades(0, 2000))
        await until(lambda: server.backend.connections.evicted)
        async for _ in client.messages():
            pass
        assert client.closed == (1013, "slow_consumer")


async def test_an_evicted_reader_comes_back_for_everything(serve: Serve) -> None:
    """What it missed is larger than max_buffer by far, and it still reads slowly."""
    server = await serve(websocket=LIMITED)
    headers = await server.login("viewer")
    async with raw(server, headers) as client:
        small_kernel_buffers(server)
        await client.send(type="subscribe", channels=["trades"])
        (ack,) = await client.until("subscribed")
        cursor = ack["channels"]["trades"]["cursor"]
        await server.feed.record_trades(big_trades(0, 4000))
        await until(lambda: server.backend.connections.evicted)
        got = []
        async for message in client.messages():
            got.append(message["data"]["id"])
            cursor = message["cursor"]
    assert len(got) < 4000
    async with raw(server, headers) as client:
        small_kernel_buffers(server)
        await client.send(type="subscribe", channels=["trades"], since={"trades": cursor})
        await client.send(type="ping", id="end")
        (ack, *events, _) = await client.until("pong")
        assert ack["channels"]["trades"]["resumed"] is True
        got += [m["data"]["id"] for m in events]
    assert got == [f"{n:06}" for n in range(4000)]
    assert server.backend.connections.evicted == 1


async def test_a_stalled_reader_of_metrics_is_kept_and_gets_the_newest(serve: Serve) -> None:
    server = await serve(websocket=LIMITED)
    async with raw(server, await server.login("viewer")) as client:
        small_kernel_buffers(server)
        await client.send(type="subscribe", channels=["metrics"])
        await client.until("subscribed")
        (connection,) = server.backend.connections
        rounds = 0
        while not connection.writer.backlog or rounds % 10:
            rounds += 1
            labels = {f"label{n}": "x" * 250 for n in range(4)}
            points = [point(f"s{n % 10}", rounds * 100 + n, labels=labels) for n in range(100)]
            await server.feed.record_metrics(points)
        # Once more, so that every series has been skipped at least once.
        await server.feed.record_metrics(
            [point(f"s{n % 10}", n, labels=labels) for n in range(100)]
        )
        await until(lambda: not server.backend.connections.fanout.pending)
        newest = {f"s{n % 10}": float(n) for n in range(100)}
        await client.send(type="ping", id="end")
        messages = await client.until("pong")
        assert server.backend.connections.evicted == 0
        last = {m["data"]["name"]: m for m in messages[:-1]}
        assert {name: m["data"]["value"] for name, m in last.items()} == newest
        assert all(m["skipped"] > 0 for m in last.values())
        assert len(messages) + sum(m.get("skipped", 0) for m in messages) - 1 == rounds * 100 + 100


async def test_a_stalled_client_does_not_slow_another(serve: Serve) -> None:
    server = await serve(websocket=LIMITED)
    headers = await server.login("viewer")
    async with raw(server, headers) as stalled, connect(server, headers) as reader:
        small_kernel_buffers(server)
        await stalled.send(type="subscribe", channels=["trades"])
        await stalled.until("subscribed")
        await reader.ask(type="subscribe", channels=["trades"])
        for first in range(0, 2000, 100):
            async with asyncio.timeout(SOON):
                await server.feed.record_trades(big_trades(first, 100))
                got = [m["data"]["id"] for m in await reader.receive_many(100, "trade")]
            assert got == [f"{n:06}" for n in range(first, first + 100)]
        assert server.backend.connections.evicted == 1


@pytest.mark.parametrize("channel", ["metrics", "trades"])
async def test_ten_thousand_records_at_once_evict_no_reader(server: Server, channel: str) -> None:
    headers = await server.login("viewer")
    async with connect(server, headers) as one, connect(server, headers) as two:
        for client in (one, two):
            await client.ask(type="subscribe", channels=[channel])
        if channel == "trades":
            writing = server.feed.record_trades(big_trades(0, 10_000))
        else:
            writing = server.feed.record_metrics([point(f"s{n}", n) for n in range(10_000)])
        got_one, got_two, _ = await asyncio.gather(
            one.receive_many(10_000), two.receive_many(10_000), writing
        )
        assert got_one == got_two
        assert len({m["cursor"] for m in got_one}) == 10_000
    assert server.backend.connections.evicted == 0


async def test_who_asks_again_and_again_and_reads_nothing_costs_bounded_memory(
    serve: Serve,
) -> None:
    server = await serve(websocket=LIMITED, events=EventsConfig(history_size=1000))
    start = server.backend.events.cursor("trades")
    await server.feed.record_trades(big_trades(0, 1000))
    async with raw(server, await server.login("viewer")) as client:
        small_kernel_buffers(server)
        (connection,) = server.backend.connections
        for n in range(10):
            await client.send(type="subscribe", id=n, channels=["trades"], since={"trades": start})
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            assert connection.writer.backlog <= 1000
        # It wakes, and gets every answer.
        messages = await client.until("subscribed", id=9)
        assert len([m for m in messages if m["type"] == "trade"]) == 9 * 1000


async def test_a_stalled_reader_of_a_replay_that_drops_leaves_nothing_behind(
    serve: Serve,
) -> None:
    server = await serve(websocket=LIMITED)
    start = server.backend.events.cursor("trades")
    await server.feed.record_trades(big_trades(0, 3000))
    async with raw(server, await server.login("viewer")) as client:
        small_kernel_buffers(server)
        (connection,) = server.backend.connections
        for _ in range(2):
            await client.send(type="subscribe", channels=["trades"], since={"trades": start})
        await client.until("subscribed")
    async with asyncio.timeout(SOON):
        await gone(server)
    assert not view.has_timer(connection.writer)
    assert connection.writer.backlog == 0


async def test_a_stalled_reader_is_closed_when_what_waits_is_too_old(serve: Serve) -> None:
    """Far below the bound in bytes, and it answers pings."""
    server = await serve(websocket=WebSocketConfig(max_lag=0.5))
    async with raw(server, await server.login("viewer")) as client:
        small_kernel_buffers(server)
        (connection,) = server.backend.connections
        await client.send(type="subscribe", channels=["trades"])
        await client.until("subscribed")
        await server.feed.record_trades(big_trades(0, 400))
        assert connection.writer.waiting < 1_000_000
        async with asyncio.timeout(SOON):
            await gone(server)
    assert server.backend.connections.closes["slow_consumer"] == 1


async def test_a_stalled_reader_that_answers_no_ping_is_let_go(serve: Serve) -> None:
    server = await serve(websocket=WebSocketConfig(ping_interval=0.5))
    start = server.backend.events.cursor("trades")
    await server.feed.record_trades(big_trades(0, 3000))
    async with raw(server, await server.login("viewer")) as client:
        small_kernel_buffers(server)
        (connection,) = server.backend.connections
        await client.send(type="subscribe", channels=["trades"], since={"trades": start})
        async with asyncio.timeout(SOON):
            await gone(server)
        assert not view.has_timer(connection.writer)
        async for _ in client.messages():
            pass  # what the kernel has; then the end, not silence


async def test_shutdown_is_quick_beside_a_stalled_reader(serve: Serve) -> None:
    server = await serve(websocket=WebSocketConfig(max_buffer=10_000_000), shutdown_timeout=60.0)
    headers = await server.login("viewer")
    async with raw(server, headers) as stalled, connect(server, headers) as reader:
        small_kernel_buffers(server)
        await stalled.send(type="subscribe", channels=["trades"])
        await stalled.until("subscribed")
        await server.feed.record_trades(big_trades(0, 3000))
        leaving = asyncio.ensure_future(server.dashboard.__aexit__(None, None, None))
        assert (await reader.until_closed())[:2] == (1001, "shutdown")
        await asyncio.wait_for(leaving, SOON)


async def test_history_that_waits_for_sockets_that_do_not_read_is_bounded(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "WAITING_BYTES", 100_000)
    server = await serve()
    headers = await server.login("viewer")
    waiting = server.backend.readings.waiting
    async with connect(server, headers) as reader:
        acknowledged = await reader.ask(type="subscribe", channels=["trades"])
        await reader.ask(type="unsubscribe", channels=["trades"])
        replay = {"trades": acknowledged["channels"]["trades"]["cursor"]}
        await server.feed.record_trades(big_trades(0, 3000))
        async with raw(server, headers) as stalled:
            small_kernel_buffers(server)
            await stalled.send(type="subscribe", channels=["trades"], since=replay)
            await stalled.until("subscribed")
            await until(lambda: waiting("user:viewer") > 100_000)
            refused = await reader.ask(type="subscribe", channels=["alerts"], snapshot=True)
            assert refused["code"] == "rate_limited"
        await until(lambda: not waiting("user:viewer"))  # the socket that did not read is gone
        again = await reader.ask(type="subscribe", channels=["alerts"], snapshot=True)
        assert again["type"] == "subscribed"
