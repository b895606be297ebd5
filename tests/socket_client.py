"""A client of /ws for the tests: what a program would see, with a limit on every wait."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from alphapulse_api.domain.channels import CHANNELS
from tests.conftest import Server
from tests.waiting import SECONDS

# A heartbeat may come at any time, and every snapshot has an end.
PASSED_OVER = frozenset({"heartbeat", "snapshot_end"})


class Client:
    """One socket."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws

    async def send(self, **message: Any) -> None:
        await self.ws.send_str(json.dumps(message))

    async def frame(self) -> Any:
        return await self.ws.receive(timeout=SECONDS)

    async def receive(self, kind: str | None = None) -> dict[str, Any]:
        """The next message, which is of that type, passing over those that tests rarely look at."""
        while True:
            frame = await self.frame()
            assert frame.type is aiohttp.WSMsgType.TEXT, (frame, self.ws.close_code)
            message: dict[str, Any] = json.loads(frame.data)
            if kind in (None, message["type"]) or message["type"] not in PASSED_OVER:
                assert kind in (None, message["type"]), message
                return message

    async def receive_many(self, count: int, kind: str | None = None) -> list[dict[str, Any]]:
        return [await self.receive(kind) for _ in range(count)]

    async def ask(self, **message: Any) -> dict[str, Any]:
        """Send, and receive the next message that does not end a snapshot asked for before."""
        await self.send(**message)
        while (answer := await self.receive())["type"] == "snapshot_end":
            pass
        return answer

    async def settled(self, *, ends: bool = False) -> list[dict[str, Any]]:
        """What comes before the answer to a ping sent now; ends of snapshots if asked for."""
        await self.send(type="ping", id="settled")
        messages = []
        while (message := await self.receive())["type"] != "pong":
            if ends or message["type"] != "snapshot_end":
                messages.append(message)
        return messages

    async def until_closed(self) -> tuple[int, str, list[dict[str, Any]]]:
        """The close code, its reason, and the messages before it."""
        messages = []
        while (frame := await self.frame()).type is aiohttp.WSMsgType.TEXT:
            messages.append(json.loads(frame.data))
        assert frame.type is aiohttp.WSMsgType.CLOSE, frame
        return frame.data, frame.extra, messages


async def trades_until(client: Client, last: str) -> list[tuple[str, str]]:
    """Id and cursor of every trade up to that one."""
    got: list[tuple[str, str]] = []
    while not got or got[-1][0] != last:
        message = await client.receive()
        if message["type"] == "trade":
            got.append((message["data"]["id"], message["cursor"]))
    return got


@asynccontextmanager
async def connect(
    server: Server, headers: dict[str, str] | None = None, **kwargs: Any
) -> AsyncIterator[Client]:
    """A socket that has been welcomed and, where there are headers, authenticated."""
    async with server.session.ws_connect(f"{server.url}/ws", headers=headers, **kwargs) as ws:
        client = Client(ws)
        await client.receive("welcome")
        if headers:
            await client.receive("authenticated")
        yield client


async def gone(server: Server) -> None:
    """Wait until the server has let go of every socket."""
    connections = server.backend.connections
    async with asyncio.timeout(SECONDS):
        await connections.empty.wait()
    assert len(connections) == 0
    assert not any(map(connections.fanout.subscriptions, CHANNELS))


def client_frame(payload: bytes, head: int = 0x81, *, masked: bool = True) -> bytes:
    """A client's frame, masked with zeros; `head` is its first byte."""
    mask = 0x80 if masked else 0
    if len(payload) < 126:
        size = bytes((mask | len(payload),))
    elif len(payload) < 65_536:
        size = bytes((mask | 126,)) + len(payload).to_bytes(2, "big")
    else:
        size = bytes((mask | 127,)) + len(payload).to_bytes(8, "big")
    return bytes((head,)) + size + (bytes(4) if masked else b"") + payload


def server_frame(data: bytes) -> tuple[int, bytes, bytes] | None:
    """A server's frame: its first byte, its payload, what follows; None until it is whole."""
    if len(data) < 2:
        return None
    size, head = data[1], 2
    if size == 126:
        size, head = int.from_bytes(data[2:4], "big"), 4
    elif size == 127:
        size, head = int.from_bytes(data[2:10], "big"), 10
    if len(data) < head + size:
        return None
    return data[0], data[head : head + size], data[head + size :]


class RawClient:
    """A socket without a library: it reads on demand, and hardly buffers."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""
        self.closed: tuple[int, str] | None = None

    async def send(self, **message: Any) -> None:
        await self.write(client_frame(json.dumps(message).encode()))

    async def write(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def more(self) -> bool:
        """Read some bytes; False at the end."""
        try:
            async with asyncio.timeout(SECONDS):
                data = await asyncio.get_running_loop().sock_recv(self.sock, 1 << 16)
        except ConnectionError:
            return False
        self.buffer += data
        return bool(data)

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Messages until the connection ends; pings are not answered."""
        while True:
            while (found := self._frame()) is not None:
                opcode, payload = found
                if opcode == 1:
                    yield json.loads(payload)
                elif opcode == 8:
                    self.closed = (int.from_bytes(payload[:2], "big"), payload[2:].decode())
            if not await self.more():
                return

    async def until(self, kind: str, **members: Any) -> list[dict[str, Any]]:
        messages = []
        async for message in self.messages():
            messages.append(message)
            if message["type"] == kind and members.items() <= message.items():
                return messages
        raise AssertionError(f"the connection ended before {kind}: {messages[-3:]}")

    def _frame(self) -> tuple[int, bytes] | None:
        found = server_frame(self.buffer)
        if found is None:
            return None
        head, payload, self.buffer = found
        return head & 15, payload


@asynccontextmanager
async def raw(server: Server, headers: dict[str, str]) -> AsyncIterator[RawClient]:
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    url = urlsplit(server.url)
    with sock:
        await loop.sock_connect(sock, (url.hostname, url.port))
        lines = [
            "GET /ws HTTP/1.1", f"Host: {url.netloc}", "Upgrade: websocket",
            "Connection: Upgrade", "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]  # fmt: skip
        await loop.sock_sendall(sock, ("\r\n".join(lines) + "\r\n\r\n").encode())
        client = RawClient(sock)
        while b"\r\n\r\n" not in client.buffer:
            assert await client.more()
        head, _, client.buffer = client.buffer.partition(b"\r\n\r\n")
        assert b" 101 " in head.splitlines()[0]
        await client.until("authenticated")
        yield client


def trade(symbol: str = "AAPL", **fields: Any) -> dict[str, Any]:
    return {"symbol": symbol, "side": "buy", "quantity": "1", "price": "10", **fields}


def point(name: str = "sharpe", value: float = 1.0, **fields: Any) -> dict[str, Any]:
    return {"metric_type": "risk", "name": name, "value": value, **fields}


def alert(title: str = "drawdown", **fields: Any) -> dict[str, Any]:
    return {
        "title": title, "message": "over the limit", "severity": "warning", "source": "risk",
        **fields,
    }  # fmt: skip


def portfolio(total: str = "100", **fields: Any) -> dict[str, Any]:
    return {"total_value": total, "cash": total, "positions": [], **fields}
