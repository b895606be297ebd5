"""Clients that do not read their answers, or read them slowly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable

import pytest

from alphapulse_api.config import HttpConfig
from tests.asking import TRADE
from tests.clock import LoopClock
from tests.conftest import Serve
from tests.raw import Connection, connection

LIMITS = HttpConfig(header_timeout=20, body_timeout=20, keepalive_timeout=20)
WIDE = {**TRADE, "metadata": {"x": "y" * 800}}
HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


async def _unread(peer: Connection) -> None:
    """Ask for the largest file there is again and again, and read nothing."""
    await peer.send(b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]


async def _in_turn(awaitables: Iterable[Awaitable[object]]) -> None:
    for awaitable in awaitables:
        await awaitable


async def test_who_does_not_read_an_answer_is_cut(serve: Serve, clock: LoopClock) -> None:
    server = await serve(http=LIMITS)
    async with connection(server.url) as peer:
        await _unread(peer)
        for _ in range(20):
            await clock.advance(5)
            await asyncio.sleep(0.01)  # for the thread that reads the file
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        answers = [peer.answer() for _ in range(20)]
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await _in_turn(answers)
        for answer in answers:
            answer.close()


async def test_who_reads_slowly_gets_all(serve: Serve, clock: LoopClock) -> None:
    server = await serve(http=HttpConfig(send_timeout=20, header_timeout=20))
    async with connection(server.url) as peer:
        await _unread(peer)
        for _ in range(20):
            await clock.advance(5)
            peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert (await peer.answer()).status == 200
            peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await clock.advance(15)  # idle, and no longer watched
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await peer.send(HEAD + b"\r\n")
        assert (await peer.answer()).status == 200


async def test_a_socket_that_does_not_read_has_its_own_limits(
    serve: Serve, clock: LoopClock
) -> None:
    server = await serve(http=HttpConfig(send_timeout=1))
    url = f"{server.url}/ws"
    async with server.session.ws_connect(url, headers=await server.key()) as ws:
        await ws.receive_json()
        await ws.receive_json()
        await ws.send_json({"type": "subscribe", "id": 1, "channels": ["trades"]})
        assert (await ws.receive_json())["type"] == "subscribed"
        transport = ws._response.connection.transport
        transport.pause_reading()
        await server.feed.record_trades([{**WIDE, "id": f"t{n}"} for n in range(500)])
        await clock.advance(4)  # less than websocket.max_lag
        transport.resume_reading()
        for _ in range(500):
            assert (await ws.receive_json())["type"] == "trade"
