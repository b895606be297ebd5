"""Fan-out: the event log's follower, and the set of all connections."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.errors import INTERNAL_CLOSE, SHUTDOWN, SLOW_CONSUMER
from alphapulse_api.log import Event, EventLog, Gap
from alphapulse_api.sockets.dispatch_queue import DispatchQueue
from alphapulse_api.sockets.frames import frame
from alphapulse_api.sockets.history import Histories
from alphapulse_api.sockets.lag_timer import LagTimer
from alphapulse_api.sockets.subscription import Subscription
from alphapulse_api.sockets.subscription_index import SubscriptionIndex
from alphapulse_api.sockets.writer import broadcast

if TYPE_CHECKING:
    from alphapulse_api.sockets.connection import Connection

logger = logging.getLogger(__name__)

# Events dealt out in one turn of the loop: between two slices sockets drain and others run.
SLICE: Final = 64
SLICE_SECONDS: Final = 0.001
# Closes at a shutdown are spread over this long, so that not all clients reconnect at once.
SPREAD_SECONDS: Final = 1.0


class Hub:
    """Deals each event out to the connections that want it.

    Args:
        events: the log to follow.
        histories: its past.
        max_connections: sockets at once; the more of them there are, the longer a drain is spread.
    """

    def __init__(self, events: EventLog, histories: Histories, max_connections: int) -> None:
        self._events = events
        self._max_connections = max_connections
        self._connections: set[Connection] = set()
        self._indexes = {name: SubscriptionIndex() for name in CHANNELS}
        self.histories = histories
        self._pending = DispatchQueue()
        self._dispatched = {name: (events.offset(name), events.cursor(name)) for name in CHANNELS}
        self._pump: asyncio.Handle | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        self._unfollow = events.follow(self._follow, self._on_gap)
        self.lag_timer = LagTimer()
        self.closing = False
        self.delivered = 0
        self.closes: Counter[str] = Counter()  # by reason

    def __repr__(self) -> str:
        return f"<Hub connections={len(self._connections)} pending={self.pending}>"

    @property
    def connections(self) -> int:
        """How many sockets are open."""
        return len(self._connections)

    @property
    def evicted(self) -> int:
        """How many slow consumers were closed."""
        return self.closes[SLOW_CONSUMER.reason]

    @property
    def pending(self) -> int:
        """Events and breaks not yet dealt out."""
        return len(self._pending)

    def place(self, channel: str) -> tuple[int, str]:
        """Up to where the channel has been dealt out: offset and cursor."""
        return self._dispatched[channel]

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
        for index in self._indexes.values():
            index.remove(connection)

    def subscription(self, connection: Connection, channel: str) -> Subscription | None:
        """The connection's subscription to the channel, if it has one."""
        return self._indexes[channel].get(connection)

    def subscribe(self, connection: Connection, subscription: Subscription) -> None:
        """Deal the channel's events to the subscription from now on."""
        self._indexes[subscription.channel.name].put(connection, subscription)

    def unsubscribe(self, connection: Connection, channel: str) -> None:
        """Stop dealing the channel's events to the connection."""
        self._indexes[channel].remove(connection)

    def recheck(self) -> None:
        """Who may call has changed: close the sockets of those who may not."""
        for connection in tuple(self._connections):
            connection.recheck()

    async def drain(self, seconds: float) -> None:
        """Refuse newcomers, tell everyone to reconnect elsewhere, and wait until all are gone.

        Args:
            seconds: they have for it; then their connections are cut.
        """
        self.closing = True
        while self._pending:
            self._dispatch_stretch()
        loop = asyncio.get_running_loop()
        spread = SPREAD_SECONDS * min(1.0, len(self._connections) / self._max_connections)
        spread = min(spread, seconds / 2)
        for connection in tuple(self._connections):
            loop.call_later(random.uniform(0, spread), connection.close, SHUTDOWN)  # noqa: S311
        try:
            async with asyncio.timeout(seconds):
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
        self._pending.put(events)
        self._go_on(events[0].channel.name)

    def _on_gap(self, gap: Gap) -> None:
        self._pending.put_gap(gap)
        self._go_on(gap.channel.name)

    def _go_on(self, channel: str) -> None:
        self.histories.forget(channel)
        if self._pump is None:
            # Not at once: what else is published in this turn leaves in the same write.
            self._pump = asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        dealt = 0
        try:
            while self._pending and dealt < SLICE:
                dealt += self._dispatch_stretch()
        finally:
            # Whatever fails here, what comes after it is dealt.
            loop = asyncio.get_running_loop()
            self._pump = loop.call_later(SLICE_SECONDS, self._dispatch) if self._pending else None

    def _dispatch_stretch(self) -> int:
        """Deal what is next of one channel, each socket's in one write.

        Returns:
            How many events there were for somebody: the others take no time.
        """
        gap = self._pending.take_gap()
        if gap is not None:
            return self._dispatch_gap(gap)
        channel = self._pending.channel()
        index = self._indexes[channel.name]
        if not index:
            newest = self._pending.pass_over()
            self._dispatched[channel.name] = (newest.offset, newest.cursor)
            return 0
        events = self._pending.take(SLICE)
        self._dispatched[channel.name] = (events[-1].offset, events[-1].cursor)
        if settled := tuple(index.settled):
            faults = broadcast(settled, events, b"".join(frame(event.text) for event in events))
            self.delivered += (len(settled) - len(faults)) * len(events)
            for writer, error in faults:
                if owner := index.settled.get(writer):
                    self._fault(owner, error)
        for event in events:
            self._offer(event, index)
        index.settle(events[-1].offset)
        return len(events)

    def _offer(self, event: Event, index: SubscriptionIndex) -> None:
        """Deal an event to those who may want it, if there are any."""
        framed = b""
        for connection, subscription in index.candidates(event.data):
            try:
                framed = framed or frame(event.text)
                self.delivered += subscription.offer(event, framed)
            except Exception as error:
                self._fault(connection, error)

    def _dispatch_gap(self, gap: Gap) -> int:
        """Tell everyone of the channel, also those whose filters would let nothing through."""
        self._dispatched[gap.channel.name] = (gap.offset, gap.cursor)
        for subscription in self._indexes[gap.channel.name]:
            subscription.tell(gap)
        return 1

    def _fault(self, connection: Connection, error: Exception) -> None:
        # An odd record of a host's accessor, say: it must not end the fan-out.
        logger.error("an event could not be dealt to %r", connection, exc_info=error)
        connection.close(INTERNAL_CLOSE)
