"""One channel's newest events in memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from alphapulse_api.log.base import Event


class Past(Sequence[Event]):
    """Successive events of several batches; those of a batch are made when they are looked at.

    Args:
        parts: batches, and from where on.
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
    """Events without a gap between them, up to a place.

    A cursor is a place only if it is exactly that of an event in here, or of the one before them: a
    number alone may have been given twice, by a log that lost its end.

    A batch that came at once is let go of as a whole, when the last of it is forgotten.

    Args:
        size: how many are kept.
        ttl: seconds that one is kept.
        cursor: the place to begin at; all cursors end in "-" and a number that grows by one.

    Attributes:
        size: as given.
        cursor: the place after the newest event.
        number: the newest event's, or that of the restart after it; it never goes back.
    """

    __slots__ = ("_base", "_batches", "_forgotten", "_kept", "_ttl", "cursor", "number", "size")

    def __init__(self, size: int, ttl: float, cursor: str) -> None:
        self.size = size
        self._ttl = ttl
        self._batches: deque[tuple[Sequence[Event], float]] = deque()
        self._kept = 0  # events
        self._forgotten = 0  # of the oldest batch
        self._base = cursor
        self.cursor = cursor
        self.number = 0

    def __repr__(self) -> str:
        return f"<Ring {self._kept} events up to {self.cursor}>"

    def extend(self, events: Sequence[Event], came: float) -> None:
        """Add the next events.

        Args:
            events: numbered on from `number`.
            came: when they did, by the monotonic clock.
        """
        if not events:
            return
        self._batches.append((events, came))
        self._kept += len(events)
        newest = events[-1]
        self.number = newest.offset
        self.cursor = newest.cursor
        self._forget()

    def restart(self, cursor: str) -> None:
        """Forget everything and go on from another place."""
        self._batches.clear()
        self._kept = self._forgotten = 0
        self._base = self.cursor = cursor
        self.number += 1

    def since(self, cursor: str) -> Sequence[Event] | None:
        """Every event after the cursor, or None if it is not a place in here."""
        self._forget()
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

    def _forget(self) -> None:
        before = time.monotonic() - self._ttl
        while self._batches:
            events, came = self._batches[0]
            excess = self._kept - self.size
            left = len(events) - self._forgotten
            if came < before or excess >= left:
                self._base = events[-1].cursor
                self._kept -= left
                self._forgotten = 0
                self._batches.popleft()
                continue
            if excess > 0:
                self._forgotten += excess
                self._kept -= excess
                self._base = events[self._forgotten - 1].cursor
            return


def _number(cursor: str) -> int | None:
    digits = cursor.rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
