"""The end of a server, with clients that do not let go."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from alphapulse_api import Config, Dashboard
from tests.asking import TRADE
from tests.commands import serving
from tests.conftest import PASSWORD, Server
from tests.raw import Connection, connection

UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
IN_TIME = 4.5  # seconds; less than the default of shutdown_timeout
WIDE = {**TRADE, "metadata": {"x": "y" * 4000}}


class Stuck:
    """A host's accessor that never answers."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def get_trades(self) -> list[object]:
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError


async def _ask(peer: Connection, line: bytes, caller: dict[str, str], more: bytes = b"") -> None:
    named = b"".join(f"{name}: {value}\r\n".encode() for name, value in caller.items())
    await peer.send(line + b" HTTP/1.1\r\nHost: localhost\r\n" + named + more + b"\r\n")


async def _export_unread(peer: Connection, server: Server) -> None:
    await server.feed.record_trades([{**WIDE, "id": f"t{n}"} for n in range(6000)])
    await _ask(peer, b"GET /api/trades?format=ndjson", await server.key())
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(0.3)


async def _upload_unfinished(peer: Connection, server: Server) -> None:
    caller = {**await server.key("publish"), "Content-Type": "application/x-ndjson"}
    await _ask(peer, b"POST /api/trades", caller, b"Transfer-Encoding: chunked\r\n")
    await asyncio.sleep(0.05)


async def _socket_unread(peer: Connection, server: Server) -> None:
    await _ask(peer, b"GET /ws", await server.key(), UPGRADE)
    await peer.answer()
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]


async def _head_unfinished(peer: Connection, server: Server) -> None:
    await peer.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
    await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "hold", [_export_unread, _upload_unfinished, _socket_unread, _head_unfinished]
)
async def test_it_ends_in_time_whoever_holds_on(config: Config, hold: Any) -> None:
    async with aiohttp.ClientSession() as session:
        async with Dashboard(replace(config, shutdown_timeout=0.3)) as dashboard:
            server = Server(dashboard, session)
            peer = await _connected(dashboard.url)
            await hold(peer, server)
            started = time.monotonic()
        assert time.monotonic() - started < IN_TIME
        await _let_go(peer)


async def test_it_ends_in_time_though_a_hosts_accessor_never_answers(config: Config) -> None:
    stuck = Stuck()
    async with aiohttp.ClientSession() as session:
        settings = replace(config, shutdown_timeout=0.3)
        async with Dashboard(settings, trades=stuck) as dashboard:
            peer = await _connected(dashboard.url)
            await _ask(peer, b"GET /api/trades", await Server(dashboard, session).key())
            await stuck.asked.wait()
            started = time.monotonic()
        assert time.monotonic() - started < IN_TIME
        await _let_go(peer)


async def test_a_request_under_way_ends_well(config: Config) -> None:
    class Slow:
        def __init__(self) -> None:
            self.asked = asyncio.Event()

        async def get_trades(self) -> list[object]:
            self.asked.set()
            await asyncio.sleep(0.2)
            return []

    slow = Slow()
    async with aiohttp.ClientSession() as session:
        async with Dashboard(config, trades=slow) as dashboard:
            caller = await Server(dashboard, session).key()
            url = f"{dashboard.url}/api/trades"
            asking = asyncio.create_task(session.get(url, headers=caller).__aenter__())
            await slow.asked.wait()
        assert (await asking).status == 200


async def test_term_ends_serve_in_time(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("dashboard_api: {port: 0, shutdown_timeout: 0.3}")
    async with serving(tmp_path, "--config", str(path), AP_ADMIN_PASSWORD=PASSWORD) as process:
        form = {"grant_type": "password", "username": "admin", "password": PASSWORD}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{process.url}/token", data=form) as response,
        ):
            token = (await response.json())["access_token"]
            caller = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
        async with connection(process.url) as peer:
            await _ask(peer, b"POST /api/trades", caller, b"Transfer-Encoding: chunked\r\n")
            await asyncio.sleep(0.1)
            started = time.monotonic()
            assert await process.stop(signal.SIGTERM) == 0
            assert time.monotonic() - started < IN_TIME
    assert "Traceback" not in process.said


async def _connected(url: str) -> Connection:
    split = URL(url)
    return Connection(*await asyncio.open_connection(split.host, split.port))


async def _let_go(peer: Connection) -> None:
    peer.writer.transport.abort()
    await asyncio.sleep(0)
