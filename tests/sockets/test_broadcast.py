"""One event to many sockets: whatever state each is in, it gets whole frames in their order."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from alphapulse_api.sockets import writer
from alphapulse_api.sockets.broadcast import broadcast
from alphapulse_api.sockets.frames import frame
from alphapulse_api.sockets.writer import SocketWriter
from tests.peers import Peer, event, peered
from tests.waiting import until


@pytest.fixture
async def peers() -> AsyncIterator[Sequence[Peer]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(peered()) for _ in range(3)]


def publish(
    peers: Sequence[Peer], *offsets: int, **data: Any
) -> list[tuple[SocketWriter, Exception]]:
    events = [event("trades", offset, **data) for offset in offsets]
    joined = b"".join(frame(one.text) for one in events)
    return broadcast([peer.writer for peer in peers], events, joined)


async def ids(peer: Peer) -> list[str]:
    """Of the trades, and the types of the other messages, up to one of type `end`."""
    peer.send("end")
    messages = [m for m in await peer.read("end") if m["type"] != "fill"]
    return [m.get("data", {}).get("id", m["type"]) for m in messages[:-1]]


def straight(peer: Peer) -> bool:
    """Whether events go past the transport."""
    return peer.writer.direct is not None


async def test_each_socket_gets_every_event_in_order(peers: Sequence[Peer]) -> None:
    assert publish(peers, 1) == []
    assert publish(peers, 2, 3) == []
    assert [await ids(peer) for peer in peers] == [["1", "2", "3"]] * 3


async def test_an_event_goes_behind_what_has_gathered_in_the_same_turn(
    peers: Sequence[Peer],
) -> None:
    peers[1].send("pong")
    publish(peers, 1)
    assert [straight(peer) for peer in peers] == [True, False, True]
    await asyncio.sleep(0)
    assert all(map(straight, peers))
    assert [await ids(peer) for peer in peers] == [["1"], ["pong", "1"], ["1"]]


async def test_an_event_goes_behind_what_the_transport_holds(peers: Sequence[Peer]) -> None:
    peer = peers[1]
    fill = frame(json.dumps({"type": "fill", "pad": "x" * 60_000}).encode())
    # As aiohttp's writer does, which knows nothing of the outbound.
    peer.transport.write(fill)
    peer.take()  # now the kernel has room again, and the transport does not know it yet
    assert peer.transport.get_write_buffer_size()
    publish(peers, 1)
    assert [await ids(peer) for peer in peers] == [["1"]] * 3


async def test_what_the_kernel_takes_in_part_arrives_whole(peers: Sequence[Peer]) -> None:
    publish(peers[1:2], 1, pad="x" * 30_000)
    assert peers[1].transport.get_write_buffer_size()
    publish(peers, 2)
    assert [await ids(peer) for peer in peers] == [["2"], ["1", "2"], ["2"]]


async def test_what_a_full_kernel_refuses_arrives_in_order(peers: Sequence[Peer]) -> None:
    full = peers[1]
    filling = frame(json.dumps({"type": "fill"}).encode())
    while True:
        try:
            os.write(full.writer.direct or -1, filling)
        except BlockingIOError:
            break
    publish(peers, 1)
    publish(peers, 2)
    assert [await ids(peer) for peer in peers] == [["1", "2"]] * 3


async def test_who_lags_holds_nobody_up_and_goes_straight_once_it_has_caught_up(
    peers: Sequence[Peer],
) -> None:
    peers[1].stall()
    publish(peers, 1)
    assert [straight(peer) for peer in peers] == [True, False, True]
    assert [await ids(peer) for peer in peers] == [["1"]] * 3
    await until(lambda: straight(peers[1]))
    publish(peers, 2)
    assert [await ids(peer) for peer in peers] == [["2"]] * 3


async def test_a_replay_keeps_events_behind_it(peers: Sequence[Peer]) -> None:
    peers[1].writer.replay([frame(b'{"type":"past","pad":"%s"}' % (b"x" * 50_000))])
    publish(peers, 1)
    assert [await ids(peer) for peer in peers] == [["1"], ["past", "1"], ["1"]]


async def test_a_descriptor_that_another_socket_has_now_is_left_alone(
    peers: Sequence[Peer],
) -> None:
    lost = peers[1]
    descriptor = lost.writer.direct
    assert descriptor is not None
    stranger, other_end = socket.socketpair()
    with stranger, other_end:
        lost.transport.abort()
        await until(lambda: lost.transport.get_extra_info("socket").fileno() != descriptor)
        os.dup2(stranger.fileno(), descriptor)
        assert publish(peers, 1) == []
        os.close(descriptor)
        other_end.setblocking(False)
        with pytest.raises(BlockingIOError):
            other_end.recv(1)
    assert [await ids(peer) for peer in (peers[0], peers[2])] == [["1"]] * 2


async def test_a_peer_that_is_gone_is_no_fault(peers: Sequence[Peer]) -> None:
    peers[1].sock.close()
    assert publish(peers, 1) == []
    assert [await ids(peer) for peer in (peers[0], peers[2])] == [["1"]] * 2


async def test_nothing_follows_a_close(peers: Sequence[Peer]) -> None:
    peers[1].writer.close()
    assert publish(peers, 1) == []
    peers[1].transport.write(frame(b'{"type":"close"}'))
    assert [m["type"] for m in await peers[1].read("close")] == ["close"]


async def test_the_fault_of_one_is_returned_and_ends_nothing(
    peers: Sequence[Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = peers[1].writer.direct
    write = os.write

    def failing(descriptor: int, data: bytes) -> int:
        if descriptor == broken:
            raise ValueError("broken")
        return write(descriptor, data)

    monkeypatch.setattr(writer.os, "write", failing)
    ((faulty, error),) = publish(peers, 1)
    assert faulty is peers[1].writer
    assert str(error) == "broken"
    assert [await ids(peer) for peer in (peers[0], peers[2])] == [["1"]] * 2
