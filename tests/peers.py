"""A socket writer on a real pair of sockets, and the client at the other end."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.log import Event
from alphapulse_api.sockets.frames import frame
from alphapulse_api.sockets.lag_timer import LagTimer
from alphapulse_api.sockets.writer import SocketWriter, State
from tests import view
from tests.socket_client import server_frame
from tests.waiting import SECONDS

LIMIT = 200_000
MAX_AGE = 30.0


def parsed(data: bytes) -> tuple[list[str], bytes]:
    """The text frames in a server's bytes, and the incomplete rest."""
    texts = []
    while (found := server_frame(data)) is not None:
        first, payload, data = found
        assert first == 0x81
        texts.append(payload.decode())
    return texts, data


def event(channel: str, offset: int, **data: Any) -> Event:
    """An event of some 200 bytes."""
    given = {"id": str(offset), "pad": "x" * 200, **data}
    return Event(CHANNELS[channel], offset, f"c-{offset}", given)


class Peer:
    """Both ends: the writer under test, and a client that reads on demand."""

    def __init__(self, transport: asyncio.Transport, sock: socket.socket) -> None:
        self.transport = transport
        self.sock = sock
        self.overflows = 0
        self.lag_timer = LagTimer()
        self.writer = SocketWriter(transport, LIMIT, MAX_AGE, self.lag_timer, self._overflowed)
        self._rest = b""

    def _overflowed(self) -> None:
        self.overflows += 1

    async def read(self, until: str) -> list[dict[str, Any]]:
        """Messages up to the one whose `type` is `until`."""
        loop = asyncio.get_running_loop()
        messages: list[dict[str, Any]] = []
        async with asyncio.timeout(SECONDS):
            while not messages or messages[-1]["type"] != until:
                self._rest += await loop.sock_recv(self.sock, 1 << 20)
                texts, self._rest = parsed(self._rest)
                messages += map(json.loads, texts)
        return messages

    def take(self) -> None:
        """Empty the kernel's buffer without a turn of the loop."""
        self._rest += self.sock.recv(1 << 20)

    def send(self, kind: str, **more: Any) -> None:
        self.writer.send(json.dumps({"type": kind, **more}).encode())

    def event(self, channel: str, offset: int, **data: Any) -> None:
        published = event(channel, offset, **data)
        self.writer.gather_event(published, frame(published.text))

    def metric(self, offset: int, name: str) -> None:
        self.event("metrics", offset, metric_type="risk", name=name, labels={})

    def stall(self) -> None:
        """Fill what the kernel and the transport take, until the client lags."""
        while self.writer.state is not State.LAGGING:
            self.send("fill", pad="x" * 10_000)
            view.flush(self.writer)


@asynccontextmanager
async def peered() -> AsyncIterator[Peer]:
    """A peer over sockets with small buffers."""
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    peer = Peer(transport, theirs)
    yield peer
    peer.writer.close()
    transport.abort()
    theirs.close()
