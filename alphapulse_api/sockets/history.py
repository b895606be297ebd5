"""Replays of the log's past, filtered and framed once for all clients that need the same one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from functools import partial
from typing import Final, NamedTuple

from alphapulse_api.cache import SingleFlight
from alphapulse_api.domain.channels import BOOKS, LOGGED
from alphapulse_api.log import Event, EventLog
from alphapulse_api.log.base import message, skipping
from alphapulse_api.runtime.slices import Slices, Steps
from alphapulse_api.sockets.filters import Filters
from alphapulse_api.sockets.frames import Chunks
from alphapulse_api.sockets.readings import Readings

KEPT: Final = 4  # per channel
STEP: Final = 10  # events encoded between two pauses
MOST_BOOK_BYTES: Final = 256
Around = tuple[str, str]
ALONE: Final[Around] = ("", "")
_BOOK_AT_END: Final = re.compile(rb',"book":"([^"\\]*)"}\Z')


class History(NamedTuple):
    """Joined frames, and the number of their events."""

    chunks: Sequence[bytes]
    events: int


class Stretch:
    """The events of a channel after a cursor, up to now.

    Args:
        channel: the channel's name, or another name in `LOGGED`.
        events: all events.
        filters: those that pass are replayed.
        newest: whether the newest event of each book stands for all of the book.
        around: what stands before and after the cursor of each event, in a cursor of several parts.

    Attributes:
        first: the offset of the first event; None if there is none.
        framed: its frames, once they were made.
    """

    __slots__ = ("_around", "_channel", "_events", "_filters", "_newest", "first", "framed")

    def __init__(
        self,
        channel: str,
        events: Sequence[Event],
        filters: Filters,
        *,
        newest: bool = False,
        around: Around = ALONE,
    ) -> None:
        self._around = around
        self._channel = LOGGED[channel]
        self._events = events
        self._filters = filters
        self._newest = newest
        self.first = events[0].offset if events else None
        self.framed: History | None = None

    def __len__(self) -> int:
        return len(self._events)

    def framing(self) -> Steps[History]:
        """Filter and frame the events, in steps."""
        made = self._newest_of_books() if self._newest else self._all()
        self.framed = yield from made
        self._events = ()
        return self.framed

    def _all(self) -> Steps[History]:
        frames, wanted = Chunks(), 0
        for number, event in enumerate(self._events, 1):
            # Without filters the data of the event is not decoded.
            if not self._filters or self._channel.passes(self._filters, event.data):
                frames.add(self._text(event))
                wanted += 1
            if not number % STEP:
                yield
        return History(frames.join(), wanted)

    def _text(self, event: Event) -> bytes:
        if self._around == ALONE:
            return event.text
        before, after = self._around
        return message(event.channel, f"{before}{event.cursor}{after}", event.json)

    def _newest_of_books(self) -> Steps[History]:
        frames = Chunks()
        newest: dict[str | None, Event] = {}
        count: Counter[str | None] = Counter()
        for event in self._events:
            # Where the JSON ends with the book there is no need to decode half a megabyte.
            end = _BOOK_AT_END.search(event.json[-MOST_BOOK_BYTES:])
            book = event.book if end is None else end[1].decode()
            if BOOKS not in self._filters or book in self._filters[BOOKS]:
                newest.pop(book, None)
                newest[book] = event
                count[book] += 1
            yield
        for book, event in newest.items():
            frames.add(skipping(event, count[book] - 1))
            yield
        return History(frames.join(), len(newest))


class Histories:
    """Shares stretches until their channel has a new event.

    Clients that lost their connections together come back together.

    Args:
        events: the log.
        slices: runs long encodings in slices.
        readings: the callers' budgets.
    """

    def __init__(self, events: EventLog, slices: Slices, readings: Readings) -> None:
        self._events = events
        self._slices = slices
        self._readings = readings
        self._kept: dict[str, dict[Hashable, Stretch | None]] = {name: {} for name in LOGGED}
        self._single_flight = SingleFlight(abandon=True)

    def forget(self, channel: str) -> None:
        """Drop the channel's stretches, because it has a new event."""
        self._kept[channel].clear()

    def since(
        self,
        channel: str,
        since: str,
        filters: Filters,
        *,
        newest: bool = False,
        around: Around = ALONE,
    ) -> Stretch | None:
        """Return the events after a cursor, up to now; None if any may be missing.

        Args:
            channel: its name, or another name in `LOGGED`.
            since: the cursor.
            filters: those that pass are replayed.
            newest: whether the newest event of each book stands for all of the book.
            around: as `Stretch` takes it.
        """
        kept = self._kept[channel]
        key = (since, self._events.offset(channel), frozenset(filters.items()), newest, around)
        if key not in kept:
            events = self._events.since(channel, since)
            stretch = None
            if events is not None:
                stretch = Stretch(channel, events, filters, newest=newest, around=around)
            kept[key] = stretch
            if len(kept) > KEPT:
                kept.pop(next(iter(kept)))
        return kept[key]

    async def framed(self, stretch: Stretch, caller: str) -> History:
        """Return the frames of a stretch.

        Args:
            stretch: from `since`.
            caller: whose budget it counts against, unless the frames are shared.

        Raises:
            RateLimited: if the caller's budget is used up.
        """
        if stretch.framed is not None:
            return stretch.framed
        frame = partial(self._frame, stretch, caller)
        if stretch in self._single_flight:
            return await self._single_flight.once(stretch, frame)
        async with self._readings.turn(caller):
            return await self._single_flight.once(stretch, frame)

    async def _frame(self, stretch: Stretch, caller: str) -> History:
        if stretch.framed is not None:
            return stretch.framed
        self._readings.charge(caller, len(stretch))
        return await self._slices.run(stretch.framing())
