"""Fan-out: sends each event of the log to the subscriptions that want it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from alphapulse_api.domain.channels import CHANNELS, LOGGED
from alphapulse_api.log import Event, EventLog, Gap
from alphapulse_api.runtime.slices import Slices
from alphapulse_api.sockets.changes import ChangesFanOut
from alphapulse_api.sockets.delivery import OnFault, deliver, deliver_gap
from alphapulse_api.sockets.dispatch_queue import DispatchQueue
from alphapulse_api.sockets.history import Histories
from alphapulse_api.sockets.joint import CHANNEL as JOINT
from alphapulse_api.sockets.joint import JointFanOut
from alphapulse_api.sockets.options import CHANGES_OF
from alphapulse_api.sockets.subscription import (
    ChangesSubscription,
    JointSubscription,
    Subscription,
)
from alphapulse_api.sockets.subscription_index import SubscriptionIndex
from alphapulse_api.sockets.writer import SocketWriter

# Bounds of one turn of the loop. Between two slices, sockets drain and other tasks run.
SLICE: Final = 64
SLICE_SECONDS: Final = 0.001


class FanOut:
    """Follows the log and dispatches its events.

    Subscriptions are keyed by the writer of their socket, at most one per channel.

    Args:
        events: the log to follow.
        histories: its past.
        slices: runs comparisons of portfolios.
        on_fault: called with the writer and the reason when an event could not be delivered.

    Attributes:
        histories: as given.
        changes: sends portfolio events to the subscriptions that take changes.
        joint: sends trades, signals and decisions to the subscriptions that include further types.
    """

    def __init__(
        self, events: EventLog, histories: Histories, slices: Slices, on_fault: OnFault
    ) -> None:
        self._on_fault = on_fault
        self._indexes = {name: SubscriptionIndex() for name in LOGGED}
        self._queue = DispatchQueue()
        self._dispatched = {name: (events.offset(name), events.cursor(name)) for name in LOGGED}
        self._scheduled: asyncio.Handle | None = None
        self._unfollow = events.follow(self._on_events, self._on_gap)
        self._delivered = 0
        self.histories = histories
        self.changes = ChangesFanOut(*self._dispatched[CHANGES_OF], slices, on_fault)
        self.joint = JointFanOut(events, on_fault)

    def __repr__(self) -> str:
        return f"<FanOut pending={self.pending}>"

    @property
    def pending(self) -> int:
        """How many events and gaps are not dispatched yet."""
        return len(self._queue) + len(self.changes)

    @property
    def delivered(self) -> int:
        """How many events were handed to writers."""
        return self._delivered + self.changes.delivered + self.joint.delivered

    def position(self, subscription: Subscription) -> tuple[int, str]:
        """Return the offset and the cursor up to which events were dispatched to such as it."""
        if isinstance(subscription, ChangesSubscription):
            return self.changes.position
        if isinstance(subscription, JointSubscription):
            return self.joint.position
        return self._dispatched[subscription.channel.name]

    def subscriptions(self, channel: str) -> Sequence[Subscription]:
        """Return the subscriptions to the channel."""
        return tuple(one for index in self._indexes_of(channel) for one in index)

    def subscription(self, writer: SocketWriter, channel: str) -> Subscription | None:
        """Return the socket's subscription to the channel, if it has one."""
        found = (index.get(writer) for index in self._indexes_of(channel))
        return next((one for one in found if one is not None), None)

    def subscribe(self, subscription: Subscription) -> None:
        """Dispatch to the subscription from now on; it replaces an older one of its socket."""
        name = subscription.channel.name
        self.unsubscribe(subscription.writer, (name,))
        match subscription:
            case ChangesSubscription():
                self.changes.index.put(subscription)
            case JointSubscription():
                self.joint.index.put(subscription)
            case _:
                self._indexes[name].put(subscription)

    def unsubscribe(self, writer: SocketWriter, channels: Iterable[str] = tuple(CHANNELS)) -> None:
        """End the socket's subscriptions to the channels."""
        for name in channels:
            for index in self._indexes_of(name):
                index.remove(writer)

    def flush(self) -> None:
        """Dispatch all that is pending."""
        while self._queue:
            self._dispatch_next()
        self.changes.flush()

    def stop(self) -> None:
        """Stop following the log."""
        self._unfollow()
        self.changes.stop()
        if self._scheduled is not None:
            self._scheduled.cancel()

    def _indexes_of(self, channel: str) -> Sequence[SubscriptionIndex]:
        others = {CHANGES_OF: (self.changes.index,), JOINT: (self.joint.index,)}
        return (self._indexes[channel], *others.get(channel, ()))

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
        changes = self.changes if channel.name == CHANGES_OF else None
        if not index and (changes is None or changes.idle) and not self.joint.wants(channel):
            newest = self._queue.pass_over()
            if changes is not None:
                changes.put((newest,))
            self.joint.put((newest,))
            self._dispatched[channel.name] = (newest.offset, newest.cursor)
            return 0
        events = self._queue.take(SLICE)
        self._dispatched[channel.name] = (events[-1].offset, events[-1].cursor)
        self._delivered += deliver(index, events, self._on_fault)
        if changes is not None:
            changes.put(events)
        self.joint.put(events)
        return len(events)

    def _dispatch_gap(self, gap: Gap) -> int:
        """Send a gap to every subscription of its channel, regardless of filters."""
        name = gap.channel.name
        self._dispatched[name] = (gap.offset, gap.cursor)
        deliver_gap(self._indexes[name], gap)
        if name == CHANGES_OF:
            self.changes.put((gap,))
        self.joint.put_gap(gap)
        return 1
