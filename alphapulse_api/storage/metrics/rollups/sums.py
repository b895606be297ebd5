"""Sums of doubles without a rounding error, in two doubles and, rarely, a whole number.

A sum is stored as an expansion: the double nearest to the exact sum, the double nearest to the
remainder, and the rest of that as a whole multiple of 2^-1074, the smallest double. So an exact sum
has only one form, and any tree of additions gives the same digits.

Sources: J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric
Predicates", 1997 (expansions); `math.fsum`, which rounds the exact sum of its arguments once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

_BITS: Final = 1074  # every double is a whole multiple of 2^-1074
_ONE: Final = 1 << _BITS


class Sum(NamedTuple):
    """An exact sum: `high` + `low` + `rest`.

    If the sum exceeds doubles, `high` is an infinity and `rest` is the whole sum.
    """

    high: float
    low: float
    rest: str | None  # hexadecimal, in units of 2^-1074; None is nothing


def add(numbers: Sequence[float], rests: Sequence[str] = ()) -> Sum:
    """The exact sum of finite doubles and of the values of `Sum.rest`.

    Infinities stand for sums that exceed doubles. They are skipped, because the rest is the whole
    sum.
    """
    if not rests:
        if len(numbers) == 1:
            return Sum(numbers[0] + 0.0, 0.0, None)  # zero has no sign
        try:
            high = math.fsum(numbers)
            low = math.fsum((*numbers, -high))
            if not math.fsum((*numbers, -high, -low)):
                return Sum(high, low, None)
        except OverflowError:
            pass  # an intermediate or the final sum exceeds doubles
    return _expanded(
        sum(_units(number) for number in numbers if math.isfinite(number))
        + sum(int(rest, 16) for rest in rests)
    )


def rounded(high: float) -> float | None:
    """The sum as a double, or None if it exceeds doubles."""
    return high if math.isfinite(high) else None


def mean(high: float, low: float, rest: str | None, count: int) -> float:
    """The exact sum divided by the count (not 0), rounded once."""
    if not low and rest is None:
        return high / count + 0.0  # a quotient that underflows has no sign
    if rest is None:
        above, below = high.as_integer_ratio()
        above_low, below_low = low.as_integer_ratio()
        return (above * below_low + above_low * below) / (below * below_low * count) + 0.0
    units = int(rest, 16) + (_units(high) + _units(low) if math.isfinite(high) else 0)
    return units / (count << _BITS) + 0.0


def _units(number: float) -> int:
    above, below = number.as_integer_ratio()
    return above << (_BITS + 1 - below.bit_length())


def _expanded(units: int) -> Sum:
    try:
        high = units / _ONE
    except OverflowError:
        return Sum(math.inf if units > 0 else -math.inf, 0.0, format(units, "x"))
    units -= _units(high)
    low = units / _ONE
    units -= _units(low)
    return Sum(high, low, format(units, "x") if units else None)
