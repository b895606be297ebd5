"""One channel's newest events in memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import overload

from alphapulse_api.log.base import Event
from alphapulse_api.log.held import Held


class Past(Sequence[Event]):
    """Successive events of several batches, materialised lazily.

    Args:
        parts: the batches.
    """

    __slots__ = ("_parts", "_size")

    def __init__(self, parts: Iterable[Held]) -> None:
        self._parts = tuple(parts)
        self._size = sum(map(len, self._parts))

    def __repr__(self) -> str:
        return f"<Past events={self._size}>"

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Event]:
        return chain.from_iterable(self._parts)

    @overload
    def __getitem__(self, index: int) -> Event: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Event]: ...

    def __getitem__(self, index: int | slice) -> Event | Sequence[Event]:
        return tuple(self)[index]


class Ring:
    """The newest events of a channel, without a gap between them.

    A cursor is valid only if it is exactly that of an event in the ring, or of the event before the
    oldest: a log that lost its end may have given a number twice.

    Args:
        size: how many events are kept.
        ttl: seconds that an event is kept.
        cursor: the position to begin at; every cursor ends in "-" and a number that grows by one.
        clock: seconds, monotonic.

    Attributes:
        size: as given.
        held: bytes of the events that are kept.
        cursor: the position after the newest event.
        number: of the newest event, or of the restart after it; it never decreases.
    """

    __slots__ = (
        "_base",
        "_batches",
        "_clock",
        "_evicted",
        "_kept",
        "_ttl",
        "cursor",
        "held",
        "number",
        "size",
    )

    def __init__(
        self, size: int, ttl: float, cursor: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.size = size
        self._ttl = ttl
        self._clock = clock
        self._batches: deque[tuple[Held, float]] = deque()
        self._kept = 0  # events
        self._evicted = 0  # events of the oldest batch
        self._base = cursor
        self.held = 0
        self.cursor = cursor
        self.number = 0

    def __repr__(self) -> str:
        return f"<Ring {self._kept} events up to {self.cursor}>"

    def __len__(self) -> int:
        """Return how many events are kept."""
        return self._kept

    def extend(self, events: Held, came: float) -> None:
        """Add the next events.

        Args:
            events: numbered from `number` + 1.
            came: when they arrived, by the clock.
        """
        if not len(events):
            return
        self._batches.append((events, came))
        self._kept += len(events)
        self.held += events.size
        self.number = events.offset(len(events) - 1)
        self.cursor = events.cursor(len(events) - 1)
        self.expire()

    def restart(self, cursor: str) -> None:
        """Drop every event and continue from another position."""
        self._batches.clear()
        self._kept = self._evicted = self.held = 0
        self._base = self.cursor = cursor
        self.number += 1

    def since(self, cursor: str) -> Sequence[Event] | None:
        """Return every event after the cursor, or None if the cursor is not valid here."""
        self.expire()
        number, last = _number(cursor), _number(self.cursor)
        if number is None or last is None or not 0 <= last - number <= self._kept:
            return None
        place, missed = self._base, last - number
        parts: deque[Held] = deque()
        for events, _ in reversed(self._batches):
            at = max(0, len(events) - missed)
            if missed < len(events):
                place = events.cursor(at - 1)
            if missed:
                parts.appendleft(events.since(at))
            missed -= len(events) - at
            if at:
                break
        if place != cursor:
            return None
        return Past(parts) if parts else ()

    def evict(self) -> int:
        """Evict the oldest event, and those whose bytes go with it; return their number."""
        events, _ = self._batches[0]
        count = events.released_with(self._evicted) - self._evicted
        self._drop(count)
        return count

    def expire(self) -> None:
        """Evict events that are too many or too old."""
        before = self._clock() - self._ttl
        while self._batches:
            events, came = self._batches[0]
            left = len(events) - self._evicted
            count = left if came < before else min(left, self._kept - self.size)
            if count <= 0:
                return
            self._drop(count)

    def _drop(self, count: int) -> None:
        """Drop so many events of the oldest batch."""
        events, _ = self._batches[0]
        self._evicted += count
        self._kept -= count
        self._base = events.cursor(self._evicted - 1)
        self.held -= events.release(self._evicted)
        if self._evicted == len(events):
            self._batches.popleft()
            self._evicted = 0


def _number(cursor: str) -> int | None:
    digits = cursor.rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
