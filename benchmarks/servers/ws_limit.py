"""The limit of one process in Python: a prebuilt frame, one raw `send()` a socket and turn.

No protocol, no encoding, no buffer; a burst is one `send()` of all its frames.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import socket
import sys
from typing import Any

import uvloop

from ..control import obey
from ..events import Trades, frame
from ..harness import announce
from ..publishing import publish_for, raise_file_limit

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = re.compile(rb"(?i)sec-websocket-key: *(\S+)")

sockets: list[socket.socket] = []
PREBUILT = frame(Trades().text())


class Settled:
    """The kernel has the bytes of a raw `send()` when it returns."""

    def get_write_buffer_size(self) -> int:
        return 0


async def publish(seconds: float, burst: int, limit: int | None = None) -> dict[str, Any]:
    data = PREBUILT * burst
    size = len(data)
    sends = [(client, client.send) for client in sockets]

    async def turn() -> None:
        for client, send in sends:
            if send(data) != size:
                raise RuntimeError(f"{client} does not take {size} bytes: the receiver is too slow")

    if limit is not None:
        limit //= burst
    result = await publish_for(seconds, limit, 1, turn, Settled())
    events = result["events"] * burst
    return {**result, "events": events, "bytes": events * len(PREBUILT)}


async def accept(listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while True:
        client, _ = await loop.sock_accept(listener)
        request = b""
        while b"\r\n\r\n" not in request:
            request += await loop.sock_recv(client, 4096)
        key = KEY.search(request)
        assert key is not None
        accepted = base64.b64encode(hashlib.sha1(key[1] + GUID).digest())
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
        )
        sockets.append(client)


async def main(directory: str) -> None:
    raise_file_limit()
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listener.setblocking(False)
    await obey(directory, {"publish": publish})
    announce(listener.getsockname()[1])
    await accept(listener)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
