"""Functions of the values in a window, kept up to date as values come and go.

Each is exact: the result is that of computing it anew from the values that are in the window, and
rounding once.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from alphapulse_api.storage.metrics.rollups.deviation import (
    NO_MOMENTS,
    join,
    moments,
    negative,
    stddev,
)


class Aggregate(Protocol):
    """A function of the values that were added and not removed."""

    def add(self, value: float) -> None: ...

    def remove(self, value: float) -> None:
        """Remove a value that was added."""
        ...

    @property
    def value(self) -> float | None:
        """The result; None if there is none, such as the mean of nothing."""
        ...


class Total:
    """The exact sum, as doubles that do not overlap.

    Source: J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric
    Predicates", 1997.
    """

    __slots__ = ("_partials", "_units", "count")

    def __init__(self) -> None:
        self._partials: list[float] = []
        self._units = 0  # values that are so large that sums of doubles may overflow
        self.count = 0

    def add(self, value: float) -> None:
        self.count += 1
        self._add(value)

    def remove(self, value: float) -> None:
        self.count -= 1
        self._add(-value)

    def _add(self, value: float) -> None:
        if not -_LARGE < value < _LARGE:
            self._units += int(value)  # doubles of this size are whole numbers
            return
        partials = self._partials
        at = 0
        for other in partials:
            if abs(value) < abs(other):
                value, other = other, value
            high = value + other
            low = other - (high - value)
            if low:
                partials[at] = low
                at += 1
            value = high
        partials[at:] = (value,) if value else ()

    @property
    def value(self) -> float | None:
        if not self._units:
            return math.fsum(self._partials)
        try:
            return float(self._units + int(math.fsum(self._partials)))
        except OverflowError:
            return None


_LARGE: Final = 1e290


class Mean(Total):
    """The arithmetic mean."""

    __slots__ = ()

    @property
    def value(self) -> float | None:
        total = super().value
        return total / self.count if self.count and total is not None else None


class Count:
    """How many values there are."""

    __slots__ = ("_count",)

    def __init__(self) -> None:
        self._count = 0

    def add(self, value: float) -> None:
        self._count += 1

    def remove(self, value: float) -> None:
        self._count -= 1

    @property
    def value(self) -> float | None:
        return float(self._count)


class Lowest:
    """The lowest value; all values are kept in order."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values = array("d")

    def add(self, value: float) -> None:
        insort(self._values, value)

    def remove(self, value: float) -> None:
        del self._values[bisect_left(self._values, value)]

    @property
    def value(self) -> float | None:
        return self._values[0] if self._values else None


class Highest(Lowest):
    """The highest value."""

    __slots__ = ()

    @property
    def value(self) -> float | None:
        return self._values[-1] if self._values else None


class Deviation:
    """The sample's standard deviation."""

    __slots__ = ("_moments",)

    def __init__(self) -> None:
        self._moments = NO_MOMENTS

    def add(self, value: float) -> None:
        self._moments = join(self._moments, moments((value,)))

    def remove(self, value: float) -> None:
        self._moments = join(self._moments, negative(moments((value,))))
        if not self._moments.size:
            self._moments = NO_MOMENTS

    @property
    def value(self) -> float | None:
        return stddev(self._moments)


AGGREGATES: Final[Mapping[str, Callable[[], Aggregate]]] = {
    "sum": Total,
    "avg": Mean,
    "count": Count,
    "min": Lowest,
    "max": Highest,
    "stddev": Deviation,
}
