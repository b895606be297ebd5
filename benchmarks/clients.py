"""Many sockets in one light process: a hand-written handshake, then bytes that are counted."""

from __future__ import annotations

import base64
import json
import os
import select
import socket
import time
from collections.abc import Sequence
from typing import Any

from .control import Control
from .events import frame
from .harness import BenchmarkError, Server

BUFFER = 1 << 20
# Seconds between two polls of the sockets. Every send() would wake a receiver that sleeps in epoll,
# at the cost of the sender's system call; a client on another machine does not cost that.
PAUSE = 0.001
STALLED_BUFFER = 4096
ETHERNET_SEGMENT = 1448
ANSWER_TIMEOUT = 10.0
ARRIVAL_TIMEOUT = 10.0
_MASK = bytes(4)  # a mask of zeros is a mask: the text stays readable
Subscribe = dict[str, Any]


def open_sockets(
    server: Server,
    count: int,
    subscribes: Sequence[Subscribe] = (),
    *,
    stalled: bool = False,
) -> list[socket.socket]:
    """Open sockets, non-blocking once done.

    Args:
        server: the server; with a token, it is one of ours and greets.
        count: how many.
        subscribes: subscribe messages to send in turn; the answer to each is awaited.
        stalled: whether they will not read: they get a small receive buffer, and segments as on
            Ethernet. With the loopback's segments (64 KiB), the server's kernel would take 3 MB a
            socket first.

    Raises:
        BenchmarkError: no upgrade, or no subscription.
    """
    sockets = []
    for number in range(count):
        client = socket.socket()
        if stalled:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_BUFFER)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, ETHERNET_SEGMENT)
        client.settimeout(ANSWER_TIMEOUT)
        client.connect((server.host, server.port))
        _upgrade(client, server)
        if server.token:
            subscribe = subscribes[number % len(subscribes)] if subscribes else None
            _greet(client, subscribe)
        client.setblocking(False)
        sockets.append(client)
    return sockets


def _upgrade(client: socket.socket, server: Server) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    token = f"Authorization: Bearer {server.token}\r\n" if server.token else ""
    client.sendall(
        f"GET /ws HTTP/1.1\r\nHost: {server.host}:{server.port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        f"{token}\r\n".encode()
    )
    head = b""
    # Byte by byte, because frames follow the head, which other code reads.
    while not head.endswith(b"\r\n\r\n"):
        piece = client.recv(65536, socket.MSG_PEEK)
        if not piece:
            break
        end = (head + piece).find(b"\r\n\r\n")
        wanted = len(piece) if end < 0 else end + 4 - len(head)
        head += client.recv(wanted)
    if not head.startswith(b"HTTP/1.1 101"):
        raise BenchmarkError(f"{server.name} does not upgrade: {head[:300]!r}")


def _greet(client: socket.socket, subscribe: Subscribe | None) -> None:
    """Read the messages `welcome` and `authenticated`, then subscribe."""
    wanted = ["welcome", "authenticated"]
    if subscribe is not None:
        text = json.dumps({"type": "subscribe", **subscribe}).encode()
        masked = bytearray(frame(text))
        masked[1] |= 0x80
        masked[len(masked) - len(text) : len(masked) - len(text)] = _MASK
        client.sendall(masked)
        wanted.append("subscribed")
    for kind in wanted:
        message = json.loads(_one_frame(client))
        if message["type"] != kind:
            raise BenchmarkError(f"{kind} expected, got {message}")


def _one_frame(client: socket.socket) -> bytes:
    head = _exactly(client, 2)
    size = head[1] if head[1] < 126 else int.from_bytes(_exactly(client, 2), "big")
    return _exactly(client, size)


def _exactly(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = client.recv(size - len(data))
        if not piece:
            raise BenchmarkError("a server closed a socket")
        data += piece
    return data


class Receiver:
    """Reads many sockets while an order runs, and counts the bytes."""

    def __init__(self, control: Control, sockets: Sequence[socket.socket]) -> None:
        self._control = control
        self._sockets = list(sockets)
        self._receive = {client.fileno(): client.recv_into for client in sockets}
        self._epoll = select.epoll()
        for fd in self._receive:
            self._epoll.register(fd, select.EPOLLIN)
        self._epoll.register(control.fileno(), select.EPOLLIN)

    def close(self) -> None:
        """Close all sockets."""
        self._epoll.close()
        for client in self._sockets:
            client.close()

    def first(self, count: int) -> list[Any]:
        """Let `count` events be published one by one; returns those of the first client, parsed.

        Raises:
            BenchmarkError: not all clients got the same bytes.
        """
        self._control.ask("publish", seconds=ANSWER_TIMEOUT, burst=1, limit=count)
        texts = []
        for client in self._sockets:
            client.settimeout(ANSWER_TIMEOUT)
            texts.append([_one_frame(client) for _ in range(count)])
            client.setblocking(False)
        if any(text != texts[0] for text in texts):
            raise BenchmarkError("not all clients got the same events")
        return [json.loads(text) for text in texts[0]]

    def during(self, *, recipients: int, **order: Any) -> dict[str, Any]:
        """Read while the server publishes; returns its answer with `received` and `busy`.

        Args:
            recipients: how many clients get each event: so many times the bytes must arrive.
            order: of `publish`.

        Raises:
            BenchmarkError: other bytes arrived than were sent.
        """
        control = self._control.fileno()
        receive, poll = self._receive, self._epoll.poll
        buffer = bytearray(BUFFER)
        answer: dict[str, Any] | None = None
        received, expected, deadline = 0, -1, None
        begin, cpu = time.perf_counter(), time.process_time()
        self._control.order("publish", **order)
        while received != expected:
            time.sleep(PAUSE)
            for fd, _ in poll(1.0, 20_000):
                if fd == control:
                    answer = self._control.answer()
                    expected = answer["bytes"] * recipients
                    deadline = time.monotonic() + ARRIVAL_TIMEOUT
                else:
                    received += receive[fd](buffer)
            if deadline is not None and time.monotonic() > deadline:
                raise BenchmarkError(f"{received} bytes arrived of {expected}")
        assert answer is not None
        busy = (time.process_time() - cpu) / (time.perf_counter() - begin)
        return {**answer, "received": received, "busy": busy}
