"""The points of a group that are in its window, in the order of their times.

A point is identified by its time and its series, so one that is repeated or corrected replaces
itself, and one that comes late finds its place. All times are microseconds since the epoch.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from alphapulse_api.domain.rules import MAX_WINDOW_POINTS
from alphapulse_api.rules.aggregates import AGGREGATES, Aggregate

_SECOND: Final = 1_000_000


class WindowFull(Exception):
    """A window would hold more points than the bound allows."""


class Values(Protocol):
    """What a group remembers of its points."""

    def put(self, at: int, number: int, value: float | None) -> None:
        """Add a point; None removes the one with its time and series.

        Args:
            at: its time.
            number: of its series in the group.
            value: finite.

        Raises:
            WindowFull: if there are too many.
        """
        ...

    def leave(self, before: int) -> None:
        """Forget the points with times up to `before`."""
        ...

    @property
    def value(self) -> float | None:
        """The result of the function; None if there is none."""
        ...

    @property
    def oldest(self) -> int | None:
        """The time of the oldest point that leaves; None if none does."""
        ...

    def __len__(self) -> int:
        """How many points are kept."""
        ...


class Last:
    """The newest point, which never leaves."""

    __slots__ = ("_at", "value")
    oldest = None

    def __init__(self) -> None:
        self._at = -(2**63)
        self.value: float | None = None

    def __len__(self) -> int:
        return 0

    def put(self, at: int, number: int, value: float | None) -> None:
        if value is not None and at >= self._at:
            self._at = at
            self.value = value

    def leave(self, before: int) -> None:
        """Do nothing."""


class Window:
    """Points in arrays, ordered by time and series.

    Args:
        aggregate: the function, kept up to date; None for those of the two ends.
    """

    __slots__ = ("_aggregate", "_begin", "_numbers", "_times", "_values")

    def __init__(self, aggregate: Aggregate | None) -> None:
        self._aggregate = aggregate
        self._times = array("q")
        self._numbers = array("q")
        self._values = array("d")
        self._begin = 0  # the points before have left

    def __len__(self) -> int:
        return len(self._times) - self._begin

    @property
    def oldest(self) -> int | None:
        return self._times[self._begin] if len(self) else None

    @property
    def value(self) -> float | None:
        return self._aggregate.value if self._aggregate is not None else None

    def put(self, at: int, number: int, value: float | None) -> None:
        place = len(self._times)
        times, numbers = self._times, self._numbers
        if place > self._begin and (at, number) <= (times[-1], numbers[-1]):
            low = bisect_left(times, at, self._begin)
            high = bisect_right(times, at, low)
            place = bisect_left(numbers, number, low, high)
            if place < high and numbers[place] == number:
                self._replace(place, value)
                return
        if value is None:
            return
        if len(self) >= MAX_WINDOW_POINTS:
            raise WindowFull(
                f"its window holds more than {MAX_WINDOW_POINTS} points: choose a shorter window"
            )
        times.insert(place, at)
        numbers.insert(place, number)
        self._values.insert(place, value)
        if self._aggregate is not None:
            self._aggregate.add(value)

    def leave(self, before: int) -> None:
        times = self._times
        begin, end = self._begin, len(times)
        while begin < end and times[begin] <= before:
            if self._aggregate is not None:
                self._aggregate.remove(self._values[begin])
            begin += 1
        self._begin = begin
        if 2 * begin > end:
            del times[:begin], self._numbers[:begin], self._values[:begin]
            self._begin = 0

    def _replace(self, place: int, value: float | None) -> None:
        if self._aggregate is not None:
            self._aggregate.remove(self._values[place])
        if value is None:
            del self._times[place], self._numbers[place], self._values[place]
            return
        self._values[place] = value
        if self._aggregate is not None:
            self._aggregate.add(value)


class Change(Window):
    """The last value of the window minus the first."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(None)

    @property
    def value(self) -> float | None:
        if not len(self):
            return None
        change = self._values[-1] - self._values[self._begin]
        return change if abs(change) < float("inf") else None


class ChangePercent(Change):
    """The change in percent of the size of the first value."""

    __slots__ = ()

    @property
    def value(self) -> float | None:
        change = super().value
        first = abs(self._values[self._begin]) if len(self) else 0.0
        if change is None or not first:
            return None
        percent = change / first * 100
        return percent if abs(percent) < float("inf") else None


class Rate(Change):
    """The change a second, between the first and the last point."""

    __slots__ = ()

    @property
    def value(self) -> float | None:
        change = super().value
        if change is None or self._times[-1] == self._times[self._begin]:
            return None
        rate = change * _SECOND / (self._times[-1] - self._times[self._begin])
        return rate if abs(rate) < float("inf") else None


_OTHERS: Final[Mapping[str, Callable[[], Values]]] = {
    "last": Last,
    "change": Change,
    "change_percent": ChangePercent,
    "rate": Rate,
}


def values_of(function: str) -> Values:
    """What a group of a rule with that function remembers."""
    if function in AGGREGATES:
        return Window(AGGREGATES[function]())
    return _OTHERS[function]()
