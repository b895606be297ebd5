"""Percentiles: linear between the two closest ranks.

This is numpy's `linear` and percentile_cont of SQL:2003. The interpolation is computed exactly and
rounded once, so it cannot overflow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable


def exact(values: Iterable[float], shares: Iterable[int]) -> list[float]:
    """The percentiles of values (at least one); shares are whole hundredths."""
    ordered = sorted(values)
    return [percentile(ordered.__getitem__, len(ordered), share) for share in shares]


def percentile(at: Callable[[int], float], count: int, share: int) -> float:
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
