"""DDSketch: counts values in bins of a bounded relative width, for percentiles of many values.

Sketches merge in any order and lose values exactly, because all of them have the same bins. Bins
are never collapsed: all doubles fall into some 150,000.

Source: C. Masson, J. E. Rim, H. K. Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with
Relative-Error Guarantees", 2019.
"""

from __future__ import annotations

import math
import struct
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise, repeat
from operator import mul
from typing import Final

from alphapulse_api.storage.metrics.rollups.percentiles import percentile

ACCURACY: Final = 0.0099  # relative error of a value at a rank; the documentation promises 1 %
_GAMMA: Final = (1 + ACCURACY) / (1 - ACCURACY)
_BINS: Final = 1 / math.log(_GAMMA)  # bins for each factor of e
_MIDDLE: Final = math.log(2 / (1 + _GAMMA))  # from the upper edge of a bin to its representative

# The stored form: the zeros, then a run of bins for the positive and one for the negative values. A
# run has a head (how many, the first one, the bytes of a gap and of a count), the gaps between the
# bins, and their counts. Without gaps (0 bytes), there is a count for each bin from the first on.
_ZEROS: Final = struct.Struct("<Q")
_HEAD: Final = struct.Struct("<IiBB")
_TYPES: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
_LANE: Final = 8  # bytes of a count where runs are added


class Sketch:
    """Counts of values by bin.

    The value at a rank has a relative error of `ACCURACY`; zeros and the extremes are exact.
    """

    __slots__ = ("_negative", "_positive", "_zeros")

    def __init__(self) -> None:
        self._zeros = 0
        self._positive: Counter[int] = Counter()  # by number of the bin
        self._negative: Counter[int] = Counter()

    def __repr__(self) -> str:
        return f"<Sketch of {self.count} values>"

    @property
    def count(self) -> int:
        """The number of values."""
        return self._zeros + self._positive.total() + self._negative.total()

    def add(self, values: Sequence[float]) -> None:
        """Add finite values."""
        positive, negative = _positive(values), _negative(values)
        self._zeros += len(values) - len(positive) - len(negative)
        self._positive.update(_bins(positive))
        self._negative.update(_bins(negative))

    def remove(self, values: Sequence[float]) -> None:
        """Remove values that were added."""
        positive, negative = _positive(values), _negative(values)
        self._zeros -= len(values) - len(positive) - len(negative)
        self._positive.subtract(_bins(positive))
        self._negative.subtract(_bins(negative))

    def merge(self, other: Sketch) -> None:
        """Add the counts of another sketch."""
        self._zeros += other._zeros
        self._positive.update(other._positive)
        self._negative.update(other._negative)

    def merge_stored(self, form: bytes) -> None:
        """Add the counts of a sketch in its stored form."""
        (zeros,) = _ZEROS.unpack_from(form)
        self._zeros += zeros
        at = _ZEROS.size
        for counts in (self._positive, self._negative):
            at = _merge(counts, form, at)

    def stored(self) -> bytes:
        """The stored form, usually two to three bytes a bin."""
        return _ZEROS.pack(self._zeros) + _form(self._positive) + _form(self._negative)


def percentiles_of(
    forms: Iterable[bytes], shares: Iterable[int], low: float, high: float
) -> list[float] | None:
    """The percentiles of all values of sketches in their stored form; None if there are no values.

    Args:
        forms: of the sketches.
        shares: whole hundredths.
        low: the smallest value.
        high: the largest value.
    """
    zeros = 0
    positive, negative = _Sum(), _Sum()
    for form in forms:
        zeros += _ZEROS.unpack_from(form)[0]
        negative.add(form, positive.add(form, _ZEROS.size))
    below, above = negative.counts(), positive.counts()
    below.reverse()
    until = list(accumulate([*below, zeros, *above]))
    if not until[-1]:
        return None
    origin = len(below)

    def at(rank: int) -> float:
        place = bisect_right(until, rank) - origin
        if place < 0:
            value = -_value(negative.first - place - 1)
        else:
            value = _value(positive.first + place - 1) if place else 0.0
        return min(max(value, low), high)

    return [percentile(at, until[-1], share) for share in shares]


class _Sum:
    """The sum of runs: one whole number, in which each bin has 64 bits.

    Adding two such numbers adds all bins at once.
    """

    __slots__ = ("_end", "_total", "first")

    def __init__(self) -> None:
        self.first = 0
        self._end = 0
        self._total = 0

    def add(self, form: bytes, at: int) -> int:
        """Add the run that is stored at that offset; returns the offset after it."""
        count, first, of_gaps, of_counts = _HEAD.unpack_from(form, at)
        at += _HEAD.size
        until = at + _size(count, of_gaps, of_counts)
        if not count:
            return until
        if of_gaps:
            places, counts = _bins_of(form, at, count, 0, of_gaps, of_counts)
            size = places[-1] + 1
            spread = [0] * size
            for place, number in zip(places, counts, strict=True):
                spread[place] = number
            lanes: bytes | bytearray = struct.pack(f"<{size}Q", *spread)
        else:
            size = count
            lanes = bytearray(_LANE * size)
            for byte in range(of_counts):
                lanes[byte::_LANE] = form[at + byte : until : of_counts]
        number = int.from_bytes(lanes, "little")
        if not self._end:
            self.first, self._end = first, first + size
        elif first < self.first:
            self._total <<= 8 * _LANE * (self.first - first)
            self.first = first
        else:
            number <<= 8 * _LANE * (first - self.first)
        self._total += number
        self._end = max(self._end, first + size)
        return until

    def counts(self) -> list[int]:
        """The counts of the bins, from the first one on."""
        size = self._end - self.first
        return list(struct.unpack(f"<{size}Q", self._total.to_bytes(_LANE * size, "little")))


def _positive(values: Sequence[float]) -> Sequence[float]:
    return [value for value in values if value > 0]


def _negative(values: Sequence[float]) -> Sequence[float]:
    return [-value for value in values if value < 0]


def _bins(values: Iterable[float]) -> Iterable[int]:
    return map(math.ceil, map(mul, map(math.log, values), repeat(_BINS)))


def _value(number: int) -> float:
    try:
        return math.exp(number / _BINS + _MIDDLE)
    except OverflowError:
        return math.inf  # of the uppermost bin; the largest value is known


def _form(counts: Counter[int]) -> bytes:
    """A run, in the shorter of its two forms."""
    found = sorted((number, count) for number, count in counts.items() if count)
    if not found:
        return _HEAD.pack(0, 0, 0, 1)
    numbers, sizes = zip(*found, strict=True)
    gaps = [after - before for before, after in pairwise(numbers)]
    of_gaps, of_counts = _bytes_of(gaps), _bytes_of(sizes)
    span = numbers[-1] - numbers[0] + 1
    if _size(span, 0, of_counts) <= _size(len(found), of_gaps, of_counts):
        all_of_them = map(counts.__getitem__, range(numbers[0], numbers[-1] + 1))
        return _HEAD.pack(span, numbers[0], 0, of_counts) + struct.pack(
            f"<{span}{_TYPES[of_counts]}", *all_of_them
        )
    return _HEAD.pack(len(found), numbers[0], of_gaps, of_counts) + struct.pack(
        f"<{len(gaps)}{_TYPES[of_gaps]}{len(sizes)}{_TYPES[of_counts]}", *gaps, *sizes
    )


def _bytes_of(numbers: Sequence[int]) -> int:
    """The bytes that each of the numbers fits into."""
    largest = max(numbers, default=0)
    return next(size for size in _TYPES if largest < 1 << 8 * size)


def _size(count: int, of_gaps: int, of_counts: int) -> int:
    """The bytes of a run, without its head."""
    return max(0, count - 1) * of_gaps + count * of_counts


def _bins_of(
    form: bytes, at: int, count: int, first: int, of_gaps: int, of_counts: int
) -> tuple[Sequence[int], Sequence[int]]:
    """The numbers of the bins of a run with gaps, and their counts."""
    layout = f"<{count - 1}{_TYPES[of_gaps]}{count}{_TYPES[of_counts]}"
    parts = struct.unpack_from(layout, form, at)
    return list(accumulate(parts[: count - 1], initial=first)), parts[count - 1 :]


def _merge(counts: Counter[int], form: bytes, at: int) -> int:
    """Add the run that is stored at that offset; returns the offset behind it."""
    count, first, of_gaps, of_counts = _HEAD.unpack_from(form, at)
    at += _HEAD.size
    if count and of_gaps:
        numbers, sizes = _bins_of(form, at, count, first, of_gaps, of_counts)
    else:
        numbers = range(first, first + count)
        sizes = struct.unpack_from(f"<{count}{_TYPES[of_counts]}", form, at)
    for number, size in zip(numbers, sizes, strict=True):
        if size:
            counts[number] += size
    return at + _size(count, of_gaps, of_counts)
