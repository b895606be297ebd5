"""One channel's newest events in memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from itertools import islice

from alphapulse_api.events.base import Event


class Ring:
    """Events without a gap between them, up to a place.

    A cursor is a place only if it is exactly that of an event in here, or of the one before them: a
    number alone may have been given twice, by a log that lost its end.

    Args:
        size: how many are kept.
        ttl: seconds that one is kept.
        cursor: the place to begin at; all cursors end in "-" and a number that grows by one.

    Attributes:
        size: as given.
        cursor: the place after the newest event.
        number: the newest event's, or that of the restart after it; it never goes back.
    """

    __slots__ = ("_base", "_events", "_times", "_ttl", "cursor", "number", "size")

    def __init__(self, size: int, ttl: float, cursor: str) -> None:
        self.size = size
        self._ttl = ttl
        self._events: deque[Event] = deque()
        self._times: deque[float] = deque()
        self._base = cursor
        self.cursor = cursor
        self.number = 0

    def __repr__(self) -> str:
        return f"<Ring {len(self._events)} events up to {self.cursor}>"

    def extend(self, events: Sequence[Event], times: Sequence[float]) -> None:
        """Add the next events.

        Args:
            events: numbered on from `number`.
            times: when each came, by the monotonic clock.
        """
        if not events:
            return
        self._events.extend(events)
        self._times.extend(times)
        self.number = events[-1].offset
        self.cursor = events[-1].cursor
        self._forget()

    def restart(self, cursor: str) -> None:
        """Forget everything and go on from another place."""
        self._events.clear()
        self._times.clear()
        self._base = self.cursor = cursor
        self.number += 1

    def since(self, cursor: str) -> Sequence[Event] | None:
        """Every event after the cursor, or None if it is not a place in here."""
        self._forget()
        number, last = _number(cursor), _number(self.cursor)
        if number is None or last is None:
            return None
        at = len(self._events) - (last - number)
        if not 0 <= at <= len(self._events):
            return None
        place = self._events[at - 1].cursor if at else self._base
        return tuple(islice(self._events, at, None)) if place == cursor else None

    def _forget(self) -> None:
        before = time.monotonic() - self._ttl
        while self._events and (len(self._events) > self.size or self._times[0] < before):
            self._base = self._events.popleft().cursor
            self._times.popleft()


def _number(cursor: str) -> int | None:
    digits = cursor.rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
