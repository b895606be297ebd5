"""The sample's standard deviation, computed exactly and rounded once.

Doubles are whole multiples of a power of two. So a bucket is stored as whole numbers: the number of
its values, their sum and the sum of their squares, in units of 2^-scale. The variance is a quotient
of such numbers, so no step cancels, overflows or underflows.

Source: the square root of a fraction by an integer root that is rounded to odd, as CPython's
`statistics.stdev` takes it; the result is the same to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul
from typing import Final, NamedTuple

_MANTISSA: Final = 53  # bits of a double
_LARGEST: Final = 1023  # 2^1023 is the largest power of two


class Moments(NamedTuple):
    """Sums over values: `total` in units of 2^-scale, `squares` in units of 2^(-2 scale)."""

    size: int
    total: int
    squares: int
    scale: int


NO_MOMENTS: Final = Moments(0, 0, 0, 0)


def moments(values: Sequence[float]) -> Moments:
    """The moments of finite values, at least one."""
    sizes = list(map(abs, values))
    smallest = min(filter(None, sizes), default=0.0)
    if not smallest:
        return Moments(len(values), 0, 0, 0)
    # The last bit of the smallest value decides the scale.
    scale = _MANTISSA - math.frexp(smallest)[1]
    if scale <= _LARGEST and math.frexp(max(sizes))[1] + scale <= _LARGEST:
        unit = math.ldexp(1.0, scale)
        whole = [int(value * unit) for value in values]
    else:
        ratios = [value.as_integer_ratio() for value in values]
        whole = [(above << scale) // below for above, below in ratios]
    return Moments(len(values), sum(whole), sum(map(mul, whole, whole)), scale)


def join(one: Moments, other: Moments) -> Moments:
    """The moments of the values of both."""
    if one == NO_MOMENTS:
        return other
    if one.scale < other.scale:
        one, other = other, one
    shift = one.scale - other.scale
    return Moments(
        one.size + other.size,
        one.total + (other.total << shift),
        one.squares + (other.squares << 2 * shift),
        one.scale,
    )


def negative(of: Moments) -> Moments:
    """Moments that remove these values when they are joined to others."""
    return Moments(-of.size, -of.total, -of.squares, of.scale)


def text_of(of: Moments) -> str:
    """The stored form: hexadecimal numbers."""
    return " ".join(format(number, "x") for number in of)


def parse_moments(text: str) -> Moments:
    """The moments of a stored form."""
    return Moments._make(int(number, 16) for number in text.split())


def stddev(of: Moments) -> float | None:
    """The sample's standard deviation; None for one value, or if it exceeds doubles."""
    count, total, squares, scale = of
    if count < 2:
        return None
    above, below = count * squares - total * total, count * (count - 1)
    if scale >= 0:
        below <<= 2 * scale
    else:
        above <<= -2 * scale
    try:
        return _root(above, below)
    except OverflowError:
        return None


def _root(above: int, below: int) -> float:
    """The square root of a fraction, correctly rounded.

    Raises:
        OverflowError: if it exceeds doubles.
    """
    # A root of 109 bits or more, its last bit odd if anything was cut off, rounds to a double as
    # the exact one does.
    shift = (above.bit_length() - below.bit_length() - 109) // 2
    if shift >= 0:
        return float(_root_to_odd(above, below << 2 * shift) << shift)
    return _root_to_odd(above << -2 * shift, below) / (1 << -shift)


def _root_to_odd(above: int, below: int) -> int:
    root = math.isqrt(above // below)
    return root | (root * root * below != above)
