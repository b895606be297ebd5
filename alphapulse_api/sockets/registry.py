"""The open connections of one process."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Iterator
from typing import Final

from aiohttp import web

from alphapulse_api.auth.authenticator import Authenticator
from alphapulse_api.config import WebSocketConfig
from alphapulse_api.domain.errors import INTERNAL_CLOSE, SHUTDOWN, SLOW_CONSUMER, Close
from alphapulse_api.log import EventLog
from alphapulse_api.runtime.slices import Slices
from alphapulse_api.sockets.admission import Place
from alphapulse_api.sockets.connection import Connection
from alphapulse_api.sockets.fanout import FanOut
from alphapulse_api.sockets.history import Histories
from alphapulse_api.sockets.lag_timer import LagTimer
from alphapulse_api.sockets.readings import Readings
from alphapulse_api.sockets.services import Services
from alphapulse_api.sockets.snapshot import Snapshots
from alphapulse_api.sockets.writer import SocketWriter
from alphapulse_api.view import Views

logger = logging.getLogger(__name__)

# Closes at a shutdown are spread over this long, so that not all clients reconnect at once.
SPREAD_SECONDS: Final = 1.0


class Registry:
    """Makes connections, counts how they close, and closes them all at a shutdown.

    Args:
        events: the log that they follow.
        histories: its past.
        snapshots: the present state of channels.
        readings: the callers' budgets for snapshots and replays.
        authenticator: checks callers.
        views: what callers may read.
        config: limits and times.
        slices: runs long work.

    Attributes:
        fanout: sends the log's events to the connections.
        closes: by close reason, how many connections the server closed.
        closing: whether the server is shutting down.
        empty: set while no connection is open.
    """

    def __init__(
        self,
        events: EventLog,
        histories: Histories,
        snapshots: Snapshots,
        readings: Readings,
        authenticator: Authenticator,
        views: Views,
        config: WebSocketConfig,
        slices: Slices,
    ) -> None:
        self._connections: dict[SocketWriter, Connection] = {}
        self._max_connections = config.max_connections
        self.fanout = FanOut(events, histories, slices, self._on_fault)
        self._services = Services(
            self.fanout, events, snapshots, readings, authenticator, views, config, LagTimer()
        )
        self.closes: Counter[str] = Counter()
        self.closing = False
        self.empty = asyncio.Event()
        self.empty.set()

    def __repr__(self) -> str:
        return f"<Registry connections={len(self)}>"

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._connections.values()))

    @property
    def evicted(self) -> int:
        """How many slow consumers were closed."""
        return self.closes[SLOW_CONSUMER.reason]

    def add(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport, place: Place
    ) -> Connection:
        """Make the connection of an upgraded socket; `release` must follow.

        Args:
            socket: prepared.
            transport: the socket's.
            place: its place among the limited sockets.
        """
        connection = Connection(socket, transport, place, self._services, self._count)
        self._connections[connection.writer] = connection
        self.empty.clear()
        return connection

    async def release(self, connection: Connection) -> None:
        """Release a connection whose socket no longer reads."""
        try:
            await connection.closed()
        finally:
            self._connections.pop(connection.writer, None)
            if not self._connections:
                self.empty.set()

    def recheck(self) -> None:
        """Close the connections of callers who may no longer call."""
        for connection in self:
            connection.recheck()

    async def drain(self, seconds: float) -> None:
        """Refuse new connections, close the open ones, and wait until all are gone.

        Args:
            seconds: after which the remaining connections are aborted.
        """
        self.closing = True
        self.fanout.flush()
        loop = asyncio.get_running_loop()
        spread = SPREAD_SECONDS * min(1.0, len(self) / self._max_connections)
        spread = min(spread, seconds / 2)
        for connection in self:
            loop.call_later(random.uniform(0, spread), connection.close, SHUTDOWN)  # noqa: S311
        try:
            async with asyncio.timeout(seconds):
                await self.empty.wait()
        except TimeoutError:
            for connection in self:
                connection.abort()

    def _count(self, close: Close) -> None:
        self.closes[close.reason] += 1

    def _on_fault(self, writer: SocketWriter, error: Exception) -> None:
        if (connection := self._connections.get(writer)) is not None:
            logger.error("failed to deliver an event to %r", connection, exc_info=error)
            # The client reconnects, and gets what it missed by its cursor or by REST.
            connection.close(INTERNAL_CLOSE)
