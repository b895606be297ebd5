"""Clients of the sockets that check what they get: nothing is missing, nothing comes twice.

The publisher numbers its records: each trade by its `order_id`, each alert by its `metric_value`,
each series and the portfolio by their values.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import orjson

CHANNELS: Final = ["metrics", "alerts", "trades", "portfolio"]
# Events of these are never dropped, so they are resumed; for the others a snapshot is enough.
WHOLE: Final = ("trades", "alerts")
JOIN_SECONDS: Final = 15.0
STALLED_BUFFER: Final = 4096
ETHERNET_SEGMENT: Final = 1448


class Watched:
    """Everything that all watchers have received."""

    def __init__(self) -> None:
        self.deliveries = 0
        self.joined = 0
        self.resumed = 0
        self.renewed = 0
        self.evicted = 0
        self.faults: Counter[str] = Counter()


class Closed(Exception):
    """The server closed the connection; the text says how."""


def small_buffers(address: Any) -> socket.socket:
    """A socket for clients that will not read: few unread bytes wait in the kernel."""
    family, kind, protocol, *_ = address
    client = socket.socket(family, kind, protocol)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, ETHERNET_SEGMENT)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_BUFFER)
    return client


class Watcher:
    """One client over all of its connections.

    Args:
        session: opens them.
        url: of the server.
        token: returns an access token that is valid now.
        watched: records everything.
        filters: of its subscription.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        token: Callable[[], str],
        watched: Watched,
        filters: dict[str, Any],
    ) -> None:
        self._session = session
        self._url = url
        self._token = token
        self._watched = watched
        self._filters = filters
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._settled = False
        self._cursors: dict[str, str] = {}
        self._in_snapshot: dict[str, int] = {}
        self._unresolved: set[int] = set()
        self.seen: dict[str, int] = {}

    async def join(self) -> None:
        """Connect, and return when the past has arrived; resume if it was connected before.

        Raises:
            Closed: if the server closes it before.
            aiohttp.ClientError, TimeoutError: if there is no connection, or no answer.
        """
        self._settled = False
        async with asyncio.timeout(JOIN_SECONDS):
            self._ws = await self._session.ws_connect(f"{self._url}/ws", max_msg_size=1 << 26)
            since = {name: self._cursors[name] for name in WHOLE if name in self._cursors}
            await self._send(type="auth", token=self._token())
            await self._send(
                type="subscribe", channels=CHANNELS, filters=self._filters, since=since,
                snapshot=True,
            )  # fmt: skip
            await self._send(type="ping")  # answered after the snapshot
            while not self._settled:
                await self._next()
        self._watched.joined += 1
        self._watched.resumed += bool(since)

    async def read(self, seconds: float | None = None) -> None:
        """Read for that time, or until cancelled.

        Raises:
            Closed: when the server closes the connection.
        """
        try:
            async with asyncio.timeout(seconds):
                while True:
                    await self._next()
        except TimeoutError:
            return

    async def leave(self) -> None:
        """Close properly."""
        assert self._ws is not None
        await self._ws.close()

    def cut(self) -> None:
        """Disconnect without a close."""
        assert self._ws is not None
        assert self._ws._response.connection is not None
        assert self._ws._response.connection.transport is not None
        self._ws._response.connection.transport.abort()

    async def _send(self, **message: Any) -> None:
        assert self._ws is not None
        await self._ws.send_str(orjson.dumps(message).decode())

    async def _next(self) -> None:
        assert self._ws is not None
        frame = await self._ws.receive()
        if frame.type is not aiohttp.WSMsgType.TEXT:
            raise Closed(f"{self._ws.close_code} {frame.extra or ''}".strip())
        message = orjson.loads(frame.data)
        match message["type"]:
            case "metric" | "alert" | "trade" | "portfolio":
                self._data(message)
            case "subscribed":
                for channel, state in message["channels"].items():
                    if channel in WHOLE and not state.get("resumed", True):
                        self._fault(f"{channel} not resumed")
                        self.seen.pop(channel, None)
                    if channel not in self._cursors:
                        self._cursors[channel] = state["cursor"]
            case "resync":
                self._fault(f"{message['channel']} resync")
                self.seen.pop(message["channel"], None)
            case "token_expiring":
                await self._send(type="auth", token=self._token())
                self._watched.renewed += 1
            case "error":
                self._fault(f"socket error {message['code']}")
            case "pong":
                self._settled = True

    def _data(self, message: dict[str, Any]) -> None:
        channel, data, snapshot = message["channel"], message["data"], "snapshot" in message
        self._watched.deliveries += 1
        if not snapshot:
            self._cursors[channel] = message["cursor"]
        match channel:
            case "trades":
                self._whole(channel, int(data["order_id"]))
            case "alerts" if snapshot:
                self._unresolved.add(int(data["metric_value"]))
            case "alerts" if data["status"] == "active":
                self._whole(channel, int(data["metric_value"]))
            case "metrics":
                self._newest(channel, data["name"], int(data["value"]), snapshot)
            case "portfolio":
                self._newest(channel, channel, int(data["total_value"]), snapshot)

    def _whole(self, channel: str, number: int) -> None:
        before = self.seen.get(channel, number - 1)
        self._fault(f"{channel} twice", number <= before)
        lost = set(range(before + 1, number))
        if channel == "alerts":
            lost -= self._unresolved  # the snapshot contained them
        self._fault(f"{channel} lost", len(lost))
        self.seen[channel] = max(number, before)

    def _newest(self, channel: str, key: str, number: int, snapshot: bool) -> None:
        if snapshot:
            self._in_snapshot[key] = number
            return
        # It may be older than the snapshot: points before its newest one are new too.
        again = number <= self.seen.get(key, -1) or number == self._in_snapshot.get(key)
        self._fault(f"{channel} twice", again)
        self.seen[key] = number

    def _fault(self, what: str, count: int = 1) -> None:
        if count:
            self._watched.faults[what] += count
