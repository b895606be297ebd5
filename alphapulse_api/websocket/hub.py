"""Fan-out: the event log's follower, and the set of all connections."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from alphapulse_api.errors import INTERNAL_CLOSE, SHUTDOWN
from alphapulse_api.events import CHANNELS, Event, EventLog
from alphapulse_api.websocket.outbound import frame
from alphapulse_api.websocket.subscription import Subscription

if TYPE_CHECKING:
    from alphapulse_api.websocket.connection import Connection

logger = logging.getLogger(__name__)

# Events dealt out in one turn of the loop: between two slices sockets drain and others run.
SLICE: Final = 64
DRAIN_SECONDS: Final = 5.0


class Hub:
    """Deals each event out to the connections that want it.

    Args:
        events: the log to follow.
        max_connections: sockets at once.
    """

    def __init__(self, events: EventLog, max_connections: int) -> None:
        self._events = events
        self._max_connections = max_connections
        self._connections: set[Connection] = set()
        self._subscriptions: dict[str, dict[Connection, Subscription]] = {c: {} for c in CHANNELS}
        self._pending: deque[Event] = deque()
        self._dealt = {name: (events.offset(name), events.cursor(name)) for name in CHANNELS}
        self._pump: asyncio.Handle | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        self._unfollow = events.follow(self._follow)
        self.closing = False
        self.delivered = 0
        self.evicted = 0

    def __repr__(self) -> str:
        return f"<Hub connections={len(self._connections)} pending={len(self._pending)}>"

    @property
    def connections(self) -> int:
        """How many sockets are open."""
        return len(self._connections)

    @property
    def full(self) -> bool:
        """Whether one more would be too many."""
        return len(self._connections) >= self._max_connections

    @property
    def pending(self) -> int:
        """Events not yet dealt out."""
        return len(self._pending)

    def place(self, channel: str) -> tuple[int, str]:
        """Up to where the channel has been dealt out: offset and cursor."""
        return self._dealt[channel]

    def join(self, connection: Connection) -> None:
        """A socket opens."""
        self._connections.add(connection)
        self._empty.clear()

    def leave(self, connection: Connection) -> None:
        """A socket is gone."""
        self.silence(connection)
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def silence(self, connection: Connection) -> None:
        """Deal the connection nothing more."""
        for subscribers in self._subscriptions.values():
            subscribers.pop(connection, None)

    def subscription(self, connection: Connection, channel: str) -> Subscription | None:
        """The connection's subscription to the channel, if it has one."""
        return self._subscriptions[channel].get(connection)

    def subscribe(self, connection: Connection, subscription: Subscription) -> None:
        """Deal the channel's events to the subscription from now on."""
        self._subscriptions[subscription.channel.name][connection] = subscription

    def unsubscribe(self, connection: Connection, channel: str) -> None:
        """Stop dealing the channel's events to the connection."""
        self._subscriptions[channel].pop(connection, None)

    def recheck(self) -> None:
        """Who may call has changed: close the sockets of those who may not."""
        for connection in tuple(self._connections):
            connection.recheck()

    async def drain(self) -> None:
        """Refuse newcomers, tell everyone to reconnect elsewhere, and wait until all are gone."""
        self.closing = True
        while self._pending:
            self._deal_slice()
        for connection in tuple(self._connections):
            connection.close(SHUTDOWN)
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._empty.wait()
        except TimeoutError:
            for connection in tuple(self._connections):
                connection.abort()

    def stop(self) -> None:
        """Follow the log no longer."""
        self._unfollow()
        if self._pump is not None:
            self._pump.cancel()

    def _follow(self, events: Sequence[Event]) -> None:
        self._pending.extend(events)
        if self._pump is None:
            self._deal()

    def _deal(self) -> None:
        self._deal_slice()
        loop = asyncio.get_running_loop()
        self._pump = loop.call_soon(self._deal) if self._pending else None

    def _deal_slice(self) -> None:
        for _ in range(min(SLICE, len(self._pending))):
            event = self._pending.popleft()
            self._dealt[event.channel.name] = (event.offset, event.cursor)
            subscribers = self._subscriptions[event.channel.name]
            if not subscribers:
                continue
            framed = frame(event.text)
            for connection, subscription in tuple(subscribers.items()):
                try:
                    self.delivered += subscription.offer(event, framed)
                except Exception:
                    # An odd record of a host's accessor, say: it must not end the fan-out.
                    logger.exception("%r could not be dealt to %r", event, connection)
                    connection.close(INTERNAL_CLOSE)
