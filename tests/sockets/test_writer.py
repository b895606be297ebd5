"""The sending side of one socket, on a real pair of sockets."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from alphapulse_api.sockets.frames import CHUNK, chunks, frame
from alphapulse_api.sockets.writer import HIGH_WATER, LOW_WATER, State
from tests import view
from tests.peers import LIMIT, Peer, peered
from tests.waiting import SECONDS, until


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with peered() as peer:
        yield peer


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
async def test_a_frame_is_what_a_websocket_client_reads(size: int) -> None:
    text = "é" * (size // 2) + "x" * (size % 2)

    async def handler(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        assert request.transport is not None
        request.transport.write(frame(text.encode()) + frame(b"next"))
        await ws.receive()
        return ws

    app = web.Application()
    app.router.add_get("/", handler)
    async with TestClient(TestServer(app)) as client, client.ws_connect("/") as ws:
        assert await ws.receive_str(timeout=SECONDS) == text
        assert await ws.receive_str(timeout=SECONDS) == "next"


async def test_messages_arrive_whole_and_in_order(peer: Peer) -> None:
    for n in range(200):
        if n % 3:
            peer.send("control", n=n)
        else:
            peer.event("trades", n)
    peer.send("end")
    messages = await peer.read("end")
    assert [m.get("n", m.get("data", {}).get("id")) for m in messages[:-1]] == [
        n if n % 3 else str(n) for n in range(200)
    ]


class Counting:
    """The transport, and the sizes of what is written to it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.sizes: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        self.sizes.append(len(data))
        self._transport.write(data)


async def test_what_gathers_in_one_turn_leaves_in_one_write(peer: Peer) -> None:
    counting: Any = Counting(peer.transport)
    view.write_by_transport(peer.writer, counting)
    for n in range(50):
        peer.send("n", n=n)
    assert counting.sizes == []
    peer.send("end")
    assert len(await peer.read("end")) == 51
    assert len(counting.sizes) == 1


async def test_a_lagging_client_gets_every_trade_and_message_in_order(peer: Peer) -> None:
    peer.stall()
    for n in range(100):
        peer.event("trades", n)
        peer.send("control", n=n)
    peer.send("end")
    messages = [m for m in await peer.read("end") if m["type"] not in ("fill", "end")]
    assert [m.get("n", m.get("data", {}).get("id")) for m in messages] == [
        x for n in range(100) for x in (str(n), n)
    ]
    assert peer.overflows == 0


async def test_a_lagging_client_gets_the_newest_point_of_each_series(peer: Peer) -> None:
    peer.stall()
    for n in range(9_000):
        peer.metric(n, f"series {n % 3}")
    peer.send("end")
    metrics = [m for m in await peer.read("end") if m["type"] == "metric"]
    assert [m["data"]["id"] for m in metrics] == ["8997", "8998", "8999"]
    assert [m["skipped"] for m in metrics] == [2999] * 3
    assert peer.overflows == 0


async def test_a_point_that_was_not_overtaken_says_nothing_of_skipping(peer: Peer) -> None:
    peer.stall()
    peer.metric(1, "once")
    peer.send("end")
    (metric,) = [m for m in await peer.read("end") if m["type"] == "metric"]
    assert "skipped" not in metric
    assert metric["cursor"] == "c-1"


async def test_cursors_of_conflated_points_only_grow_and_miss_nothing(peer: Peer) -> None:
    peer.stall()
    peer.metric(1, "a")
    peer.metric(2, "b")
    peer.metric(3, "a")
    peer.send("end")
    b, a = [m for m in await peer.read("end") if m["type"] == "metric"]
    # Whoever is cut off between the two resumes after b: the newest of a is still to come, and
    # nothing that was sent is sent again.
    assert (b["data"]["id"], b["cursor"]) == ("2", "c-2")
    assert (a["data"]["id"], a["cursor"], a["skipped"]) == ("3", "c-3", 1)


async def test_a_seal_keeps_newer_events_behind_it(peer: Peer) -> None:
    peer.stall()
    peer.metric(1, "a")
    peer.metric(2, "a")
    peer.writer.seal()
    peer.send("subscribed")
    peer.metric(3, "a")
    peer.metric(4, "a")
    peer.send("end")
    messages = [m for m in await peer.read("end") if m["type"] != "fill"]
    assert [m.get("data", {}).get("id", m["type"]) for m in messages] == [
        "2", "subscribed", "4", "end",
    ]  # fmt: skip
    assert not peer.writer.backlog


async def test_after_lagging_events_flow_freely_again(peer: Peer) -> None:
    peer.stall()
    peer.send("end")
    await peer.read("end")
    await until(lambda: peer.writer.state is not State.LAGGING)
    for n in range(3):
        peer.metric(n, "a")
    peer.send("end")
    assert len(await peer.read("end")) == 4


async def test_over_the_limit_it_gives_up_once_and_forgets(peer: Peer) -> None:
    peer.stall()
    for n in range(10_000):
        peer.event("trades", n)
    assert peer.overflows == 1
    assert not peer.writer.backlog
    assert peer.writer.waiting < LIMIT
    for n in range(10_000):
        peer.event("trades", n)
        peer.metric(n, str(n))
        peer.send("more")
    assert peer.overflows == 1
    assert not peer.writer.backlog


async def test_a_stalled_client_costs_bounded_memory(peer: Peer) -> None:
    peer.stall()
    tracemalloc.start()
    try:
        for n in range(5_000):
            peer.metric(n, "one")
            peer.event("portfolio", n)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 100_000
    assert peer.overflows == 0


async def test_too_many_series_are_too_much(peer: Peer) -> None:
    peer.stall()
    for n in range(2_000):
        peer.metric(n, f"series {n}")
    assert peer.overflows == 1


async def test_a_replay_is_paced_and_not_counted(peer: Peer) -> None:
    texts = [b'{"type":"past","n":%d,"pad":"%s"}' % (n, b"x" * 500) for n in range(4_000)]
    assert sum(map(len, texts)) > 10 * LIMIT
    peer.writer.replay(chunks(texts))
    peer.send("live")
    assert peer.writer.waiting < HIGH_WATER + LOW_WATER + CHUNK
    messages = await peer.read("live")
    assert [m["n"] for m in messages[:-1]] == list(range(4_000))
    assert peer.overflows == 0


async def test_a_replay_comes_after_what_gathered_and_before_what_follows(peer: Peer) -> None:
    peer.send("ack")
    peer.writer.replay(chunks([b'{"type":"past","n":1}', b'{"type":"past","n":2}']))
    peer.event("trades", 3)
    peer.send("end")
    assert [m["type"] for m in await peer.read("end")] == ["ack", "past", "past", "trade", "end"]


async def test_one_waits_for_a_replay_to_be_read(peer: Peer) -> None:
    await peer.writer.caught_up()
    peer.writer.replay(chunks([b'{"type":"past","pad":"%s"}' % (b"x" * 1000)] * 1000))
    waiting = asyncio.ensure_future(peer.writer.caught_up())
    await asyncio.sleep(0.02)
    assert not waiting.done()
    peer.send("end")
    await peer.read("end")
    await asyncio.wait_for(waiting, SECONDS)


async def test_closing_ends_the_wait_for_a_replay(peer: Peer) -> None:
    peer.writer.replay(chunks([b"x" * 1000] * 1000))
    waiting = asyncio.ensure_future(peer.writer.caught_up())
    await asyncio.sleep(0)
    peer.writer.close()
    await asyncio.wait_for(waiting, SECONDS)


async def test_a_client_that_drops_ends_the_wait_for_a_replay(peer: Peer) -> None:
    peer.writer.replay(chunks([b"x" * 1000] * 1000))
    peer.sock.close()
    await asyncio.wait_for(peer.writer.caught_up(), SECONDS)
    assert not view.has_timer(peer.writer)


async def test_nothing_is_sent_after_close_and_no_timer_is_left(peer: Peer) -> None:
    peer.send("last")
    peer.writer.close()
    peer.send("late")
    peer.event("trades", 1)
    peer.writer.replay([b"late"])
    await asyncio.sleep(0)
    assert [m["type"] for m in await peer.read("last")] == ["last"]
    assert not view.has_timer(peer.writer)


async def test_sending_to_a_lost_transport_does_nothing(peer: Peer) -> None:
    peer.transport.abort()
    peer.send("into the void")
    peer.event("trades", 1)
    await asyncio.sleep(0)
    assert peer.writer.waiting == 0
