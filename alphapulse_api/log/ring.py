"""One channel's newest events in memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import overload

from alphapulse_api.log.base import Event


class Past(Sequence[Event]):
    """Successive events of several batches, materialised lazily.

    Args:
        parts: batches, each with the index of its first event that counts.
    """

    __slots__ = ("_parts", "_size")

    def __init__(self, parts: Iterable[tuple[Sequence[Event], int]]) -> None:
        self._parts = tuple(parts)
        self._size = sum(len(events) - at for events, at in self._parts)

    def __repr__(self) -> str:
        return f"<Past events={self._size}>"

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Event]:
        for events, at in self._parts:
            yield from map(events.__getitem__, range(at, len(events)))

    @overload
    def __getitem__(self, index: int) -> Event: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Event]: ...

    def __getitem__(self, index: int | slice) -> Event | Sequence[Event]:
        return tuple(self)[index]


class Ring:
    """The newest events of a channel, without a gap between them.

    A cursor is valid only if it is exactly that of an event in the ring, or of the event before the
    oldest: a log that lost its end may have given a number twice. A batch is released as a whole,
    when its last event is evicted.

    Args:
        size: how many events are kept.
        ttl: seconds that an event is kept.
        cursor: the position to begin at; every cursor ends in "-" and a number that grows by one.
        clock: seconds, monotonic.

    Attributes:
        size: as given.
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
        "number",
        "size",
    )

    def __init__(
        self, size: int, ttl: float, cursor: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.size = size
        self._ttl = ttl
        self._clock = clock
        self._batches: deque[tuple[Sequence[Event], float]] = deque()
        self._kept = 0  # events
        self._evicted = 0  # events of the oldest batch
        self._base = cursor
        self.cursor = cursor
        self.number = 0

    def __repr__(self) -> str:
        return f"<Ring {self._kept} events up to {self.cursor}>"

    def extend(self, events: Sequence[Event], came: float) -> None:
        """Add the next events.

        Args:
            events: numbered from `number` + 1.
            came: when they arrived, by the clock.
        """
        if not events:
            return
        self._batches.append((events, came))
        self._kept += len(events)
        newest = events[-1]
        self.number = newest.offset
        self.cursor = newest.cursor
        self._evict()

    def restart(self, cursor: str) -> None:
        """Drop every event and continue from another position."""
        self._batches.clear()
        self._kept = self._evicted = 0
        self._base = self.cursor = cursor
        self.number += 1

    def since(self, cursor: str) -> Sequence[Event] | None:
        """Return every event after the cursor, or None if the cursor is not valid here."""
        self._evict()
        number, last = _number(cursor), _number(self.cursor)
        if number is None or last is None or not 0 <= last - number <= self._kept:
            return None
        place, missed = self._base, last - number
        parts: deque[tuple[Sequence[Event], int]] = deque()
        for events, _ in reversed(self._batches):
            at = max(0, len(events) - missed)
            if missed < len(events):
                place = events[at - 1].cursor
            if missed:
                parts.appendleft((events, at))
            missed -= len(events) - at
            if at:
                break
        if place != cursor:
            return None
        return Past(parts) if parts else ()

    def _evict(self) -> None:
        before = self._clock() - self._ttl
        while self._batches:
            events, came = self._batches[0]
            excess = self._kept - self.size
            left = len(events) - self._evicted
            if came < before or excess >= left:
                self._base = events[-1].cursor
                self._kept -= left
                self._evicted = 0
                self._batches.popleft()
                continue
            if excess > 0:
                self._evicted += excess
                self._kept -= excess
                self._base = events[self._evicted - 1].cursor
            return


def _number(cursor: str) -> int | None:
    digits = cursor.rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
