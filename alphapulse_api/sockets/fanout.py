"""Fan-out: sends each event of the log to the subscriptions that want it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.log import Event, EventLog, Gap
from alphapulse_api.sockets.broadcast import broadcast
from alphapulse_api.sockets.dispatch_queue import DispatchQueue
from alphapulse_api.sockets.frames import frame
from alphapulse_api.sockets.history import Histories
from alphapulse_api.sockets.subscription import Subscription
from alphapulse_api.sockets.subscription_index import SubscriptionIndex
from alphapulse_api.sockets.writer import SocketWriter

# Bounds of one turn of the loop. Between two slices, sockets drain and other tasks run.
SLICE: Final = 64
SLICE_SECONDS: Final = 0.001

OnFault = Callable[[SocketWriter, Exception], None]


class FanOut:
    """Follows the log and dispatches its events.

    Subscriptions are keyed by the writer of their socket, at most one per channel.

    Args:
        events: the log to follow.
        histories: its past.
        on_fault: called with the writer and the reason when an event could not be delivered.

    Attributes:
        histories: as given.
        delivered: how many events were handed to writers.
    """

    def __init__(self, events: EventLog, histories: Histories, on_fault: OnFault) -> None:
        self._on_fault = on_fault
        self._indexes = {name: SubscriptionIndex() for name in CHANNELS}
        self._queue = DispatchQueue()
        self._dispatched = {name: (events.offset(name), events.cursor(name)) for name in CHANNELS}
        self._scheduled: asyncio.Handle | None = None
        self._unfollow = events.follow(self._on_events, self._on_gap)
        self.histories = histories
        self.delivered = 0

    def __repr__(self) -> str:
        return f"<FanOut pending={self.pending}>"

    @property
    def pending(self) -> int:
        """How many events and gaps are not dispatched yet."""
        return len(self._queue)

    def position(self, channel: str) -> tuple[int, str]:
        """Return the offset and the cursor up to which the channel has been dispatched."""
        return self._dispatched[channel]

    def subscriptions(self, channel: str) -> Sequence[Subscription]:
        """Return the subscriptions to the channel."""
        return tuple(self._indexes[channel])

    def subscription(self, writer: SocketWriter, channel: str) -> Subscription | None:
        """Return the socket's subscription to the channel, if it has one."""
        return self._indexes[channel].get(writer)

    def subscribe(self, subscription: Subscription) -> None:
        """Dispatch to the subscription from now on; it replaces an older one of its socket."""
        self._indexes[subscription.channel.name].put(subscription)

    def unsubscribe(self, writer: SocketWriter, channels: Iterable[str] = tuple(CHANNELS)) -> None:
        """End the socket's subscriptions to the channels."""
        for name in channels:
            self._indexes[name].remove(writer)

    def flush(self) -> None:
        """Dispatch all that is pending."""
        while self._queue:
            self._dispatch_next()

    def stop(self) -> None:
        """Stop following the log."""
        self._unfollow()
        if self._scheduled is not None:
            self._scheduled.cancel()

    def _on_events(self, events: Sequence[Event]) -> None:
        self._queue.put(events)
        self._schedule(events[0].channel.name)

    def _on_gap(self, gap: Gap) -> None:
        self._queue.put_gap(gap)
        self._schedule(gap.channel.name)

    def _schedule(self, channel: str) -> None:
        self.histories.forget(channel)
        if self._scheduled is None:
            # Deferred, so that everything published in this turn leaves in one write.
            self._scheduled = asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        dispatched = 0
        try:
            while self._queue and dispatched < SLICE:
                dispatched += self._dispatch_next()
        finally:
            # A failure here must not stop the events behind it.
            loop = asyncio.get_running_loop()
            self._scheduled = (
                loop.call_later(SLICE_SECONDS, self._dispatch) if self._queue else None
            )

    def _dispatch_next(self) -> int:
        """Dispatch the next events of one channel, in one write per socket.

        Returns:
            How many of the events had subscriptions; the others cost no time.
        """
        gap = self._queue.take_gap()
        if gap is not None:
            return self._dispatch_gap(gap)
        channel = self._queue.channel()
        index = self._indexes[channel.name]
        if not index:
            newest = self._queue.pass_over()
            self._dispatched[channel.name] = (newest.offset, newest.cursor)
            return 0
        events = self._queue.take(SLICE)
        self._dispatched[channel.name] = (events[-1].offset, events[-1].cursor)
        by_book: dict[str | None, list[Event]] = {None: events}
        if index.booked:
            for event in events:
                if (book := event.book) is not None:
                    by_book.setdefault(book, []).append(event)
        for book, of_book in by_book.items():
            if book in index.live:
                self._broadcast(tuple(index.live[book]), of_book)
        for event in events:
            self._offer(event, index)
        index.promote(events[-1].offset, by_book)
        return len(events)

    def _broadcast(self, writers: Sequence[SocketWriter], events: Sequence[Event]) -> None:
        """Send events to the sockets that want all of them, in one write per socket."""
        faults = broadcast(writers, events, b"".join(frame(event.text) for event in events))
        self.delivered += (len(writers) - len(faults)) * len(events)
        for writer, error in faults:
            self._on_fault(writer, error)

    def _offer(self, event: Event, index: SubscriptionIndex) -> None:
        """Send an event to the candidates that want it; frame it only if there are any."""
        framed = b""
        book = event.book if index.booked else None
        for subscription in index.candidates(event.data, book):
            try:
                framed = framed or frame(event.text)
                self.delivered += subscription.offer(event, framed)
            except Exception as error:
                # For example a malformed record of a host's accessor: it must not end the fan-out.
                self._on_fault(subscription.writer, error)

    def _dispatch_gap(self, gap: Gap) -> int:
        """Send a gap to every subscription of its channel, regardless of filters."""
        self._dispatched[gap.channel.name] = (gap.offset, gap.cursor)
        for subscription in self.subscriptions(gap.channel.name):
            subscription.offer_gap(gap)
        return 1
