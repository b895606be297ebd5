"""Sends portfolio events to the sockets that take changes of the positions.

Each event is compared with the one before it, once for all sockets and in slices, so these sockets
get it a moment later than the others.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.holdings import Holdings
from alphapulse_api.log import Event, Gap
from alphapulse_api.runtime.slices import Slices, Steps, finish
from alphapulse_api.sockets.broadcast import broadcast
from alphapulse_api.sockets.change import Change, compared
from alphapulse_api.sockets.delivery import OnFault, deliver_gap
from alphapulse_api.sockets.frames import frame
from alphapulse_api.sockets.subscription import ChangesSubscription
from alphapulse_api.sockets.subscription_index import SubscriptionIndex

logger = logging.getLogger(__name__)

# Events that may wait; if more do, the newest replaces the others, as for a slow client.
MOST_WAITING: Final = 16


class _Current(NamedTuple):
    """The positions of the newest event of a book, or of a snapshot.

    Attributes:
        holdings: the positions.
        at: the offset of the event; None if they are of a snapshot.
    """

    holdings: Holdings
    at: int | None


class ChangesFanOut:
    """The subscriptions to the portfolio that take changes, and the events for them.

    Args:
        offset: of the newest event that was dispatched before.
        cursor: the same position, for clients.
        slices: runs the comparisons.
        on_fault: called with the writer and the reason when an event could not be delivered.

    Attributes:
        index: the subscriptions.
        position: the offset and the cursor up to which the channel has been dispatched here.
        delivered: how many events were handed to writers.
    """

    def __init__(self, offset: int, cursor: str, slices: Slices, on_fault: OnFault) -> None:
        self._slices = slices
        self._on_fault = on_fault
        # Each event with the number of older ones that it replaces.
        self._queue: deque[Gap | tuple[Event, int]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._current: dict[str | None, _Current] = {}  # by book
        self.index = SubscriptionIndex()
        self.position = offset, cursor
        self.delivered = 0

    def __repr__(self) -> str:
        return f"<ChangesFanOut pending={len(self)}>"

    def __len__(self) -> int:
        """Return how many events and gaps are not dispatched yet."""
        return len(self._queue)

    @property
    def idle(self) -> bool:
        """Whether nobody is subscribed and nothing is pending."""
        return not self.index and not self._queue

    def put(self, items: Sequence[Event | Gap]) -> None:
        """Take the next events or a gap of the portfolio."""
        if self.idle:
            self._current.clear()
            self.position = items[-1].offset, items[-1].cursor
            return
        self._queue += [item if isinstance(item, Gap) else (item, 0) for item in items]
        if len(self._queue) > MOST_WAITING:
            self._conflate()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._dispatch())

    def take_over(
        self, subscription: ChangesSubscription, records: Sequence[Mapping[str, Any]]
    ) -> None:
        """Note that a subscription was sent the portfolios of a snapshot.

        Args:
            subscription: the subscription, which holds its events.
            records: the portfolios.
        """
        for record in records:
            book, holdings = subscription.channel.book(record), record.get("positions")
            if not isinstance(holdings, Holdings):
                continue
            if book not in self._current and not self._queue:
                self._current[book] = _Current(holdings, None)
            if book in self._current and self._current[book].holdings.json == holdings.json:
                subscription.bases[book] = self._current[book].holdings

    def resume(self, subscription: ChangesSubscription, first: int) -> None:
        """Note that a subscription was sent the newest event of each book up to its beginning.

        Args:
            subscription: the subscription, which holds its events.
            first: the offset from which on there was one.
        """
        if self.position[0] < subscription.after:
            return
        for book, (holdings, at) in self._current.items():
            if at is not None and first <= at <= subscription.after:
                subscription.bases[book] = holdings

    def flush(self) -> None:
        """Dispatch all that is pending."""
        while self._queue:
            item = self._queue[0]
            self._deliver(item if isinstance(item, Gap) else finish(self._compared(*item)))

    def stop(self) -> None:
        """Dispatch nothing more."""
        self._queue.clear()
        if self._task is not None:
            self._task.cancel()

    async def _dispatch(self) -> None:
        try:
            while self._queue:
                item = self._queue[0]
                if isinstance(item, Gap):
                    self._deliver(item)
                    continue
                change = await self._slices.run(self._compared(*item))
                if self._queue and self._queue[0] is item:  # otherwise it was flushed
                    self._deliver(change)
        finally:
            self._task = None

    def _conflate(self) -> None:
        """Keep the newest event of each book between two gaps, and the first item, which may be in
        progress."""
        kept: list[Gap | tuple[Event, int]] = [self._queue.popleft()]
        newest: dict[str | None, tuple[Event, int]] = {}
        for item in self._queue:
            if isinstance(item, Gap):
                kept += [*newest.values(), item]
                newest.clear()
                continue
            event, skipped = item
            if (older := newest.pop(event.book, None)) is not None:
                skipped += older[1] + 1
            newest[event.book] = event, skipped
        self._queue = deque((*kept, *newest.values()))

    def _compared(self, event: Event, skipped: int) -> Steps[Change]:
        if not self.index:
            return Change(event, None)
        try:
            current = self._current.get(event.book)
            base = None if current is None else current.holdings
            return (yield from compared(event, base, skipped))
        except Exception:
            # For example a malformed record of a host's accessor.
            logger.exception("failed to compare the positions of %r", event)
            return Change(event, None)

    def _deliver(self, item: Change | Gap) -> None:
        self._queue.popleft()
        self.position = item.offset, item.cursor
        if isinstance(item, Gap):
            self._current.clear()
            deliver_gap(self.index, item)
            return
        if item.holdings is None:
            self._current.pop(item.book, None)
        else:
            self._current[item.book] = _Current(item.holdings, item.offset)
        self._send(item)

    def _send(self, change: Change) -> None:
        """Send an event, in one shared frame to all whose clients understand it."""
        writers = []
        book = change.book if self.index.booked else None
        for subscription in self.index.candidates(change.data, book):
            try:
                if isinstance(subscription, ChangesSubscription) and subscription.continues(change):
                    writers.append(subscription.writer)
                else:
                    self.delivered += subscription.offer(change, b"")
            except Exception as error:
                self._on_fault(subscription.writer, error)
        if writers:
            faults = broadcast(writers, (change,), frame(change.text))
            self.delivered += len(writers) - len(faults)
            for writer, fault in faults:
                self._on_fault(writer, fault)
