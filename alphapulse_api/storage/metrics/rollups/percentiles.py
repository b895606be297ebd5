"""Percentiles: exact for few values, from a sketch for many.

Both interpolate linearly between the two closest ranks (numpy's `linear`, percentile_cont of
SQL:2003). The interpolation is computed exactly and rounded once, so it cannot overflow.

Source of the sketch: C. Masson, J. E. Rim, H. K. Lee, "DDSketch: A Fast and Fully-Mergeable
Quantile Sketch with Relative-Error Guarantees", 2019. Ours never collapses bins: all doubles fall
into some 150,000, and the number of points that an answer may read is bounded.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, repeat
from operator import mul
from typing import Final

ACCURACY: Final = 0.0099  # relative error of a value at a rank; the documentation promises 1 %
_GAMMA: Final = (1 + ACCURACY) / (1 - ACCURACY)
_BINS: Final = 1 / math.log(_GAMMA)  # bins for each factor of e
_MIDDLE: Final = math.log(2 / (1 + _GAMMA))  # from the upper edge of a bin to its representative


def exact(values: Iterable[float], shares: Iterable[int]) -> list[float]:
    """The percentiles of values (at least one); shares are whole hundredths."""
    ordered = sorted(values)
    return [_percentile(ordered.__getitem__, len(ordered), share) for share in shares]


class Sketch:
    """Counts values with a relative error of `ACCURACY`; zero and the extremes are exact."""

    __slots__ = ("_count", "_high", "_low", "_negative", "_positive")

    def __init__(self) -> None:
        self._count = 0
        self._low = math.inf
        self._high = -math.inf
        self._positive: Counter[int] = Counter()  # by number of the bin
        self._negative: Counter[int] = Counter()

    def add(self, values: Sequence[float]) -> None:
        """Add values, at least one."""
        self._count += len(values)
        self._low = min(self._low, min(values))
        self._high = max(self._high, max(values))
        self._positive.update(_bins([value for value in values if value > 0]))
        self._negative.update(_bins([-value for value in values if value < 0]))

    def percentiles(self, shares: Iterable[int]) -> list[float]:
        """The percentiles of the added values; shares are whole hundredths."""
        negative, positive = sorted(self._negative, reverse=True), sorted(self._positive)
        zeros = self._count - self._negative.total() - self._positive.total()
        values = [
            *(-_value(bin_) for bin_ in negative), 0.0, *(_value(bin_) for bin_ in positive)
        ]  # fmt: skip
        counts = [
            *(self._negative[bin_] for bin_ in negative), zeros,
            *(self._positive[bin_] for bin_ in positive),
        ]  # fmt: skip
        until = list(accumulate(counts))

        def at(rank: int) -> float:
            value = values[bisect_right(until, rank)]
            return min(max(value, self._low), self._high)

        return [_percentile(at, self._count, share) for share in shares]


def _percentile(at: Callable[[int], float], count: int, share: int) -> float:
    """Interpolate between the two closest ranks.

    Args:
        at: the value at a rank, from 0 on.
        count: the number of values.
        share: hundredths, below 100.
    """
    rank, part = divmod((count - 1) * share, 100)
    low = at(rank)
    if not part or low == (high := at(rank + 1)):
        return low
    above, below = low.as_integer_ratio()
    above_high, below_high = high.as_integer_ratio()
    whole = above * below_high * (100 - part) + above_high * below * part
    return whole / (below * below_high * 100) + 0.0  # zero has no sign


def _bins(values: Iterable[float]) -> Iterable[int]:
    return map(math.ceil, map(mul, map(math.log, values), repeat(_BINS)))


def _value(bin_: int) -> float:
    try:
        return math.exp(bin_ / _BINS + _MIDDLE)
    except OverflowError:
        return math.inf  # of the uppermost bin; the largest value is known
