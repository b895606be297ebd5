"""Confidence intervals of 95 %.

Sources: Wilson, Probable inference, the law of succession, and statistical inference (1927); Bonett
and Wright, Sample size requirements for estimating Pearson, Kendall and Spearman correlations
(2000). Means: the normal approximation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final, NamedTuple

Z: Final = NormalDist().inv_cdf(0.975)


class Estimate(NamedTuple):
    """A figure and its interval; None where the number of values allows none."""

    value: float | None
    low: float | None
    high: float | None


def share(hits: int, count: int) -> Estimate:
    """A proportion with Wilson's interval; the count is not 0."""
    proportion = hits / count
    scale = 1 + Z * Z / count
    centre = (proportion + Z * Z / (2 * count)) / scale
    spread = Z * math.sqrt(proportion * (1 - proportion) / count + (Z / (2 * count)) ** 2) / scale
    return Estimate(proportion, max(0.0, centre - spread), min(1.0, centre + spread))


def mean(values: Sequence[float]) -> Estimate | None:
    """A mean; None of nothing. Its interval needs two values."""
    count = len(values)
    if not count:
        return None
    average = math.fsum(values) / count
    if count == 1:
        return Estimate(average, None, None)
    squares = math.fsum((value - average) ** 2 for value in values)
    spread = Z * math.sqrt(squares / (count - 1) / count)
    return Estimate(average, average - spread, average + spread)


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> Estimate | None:
    """Spearman's rank correlation, ties having their mean rank.

    None for fewer than two pairs, or where either side has one value only. Its interval needs four.
    """
    count = len(first)
    if count < 2:
        return None
    value = _correlation(_ranks(first), _ranks(second))
    if value is None:
        return None
    if count < 4:
        return Estimate(value, None, None)
    clipped = max(-1 + 1e-12, min(1 - 1e-12, value))
    spread = Z * math.sqrt((1 + clipped * clipped / 2) / (count - 3))
    centre = math.atanh(clipped)
    return Estimate(value, math.tanh(centre - spread), math.tanh(centre + spread))


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    begin = 0
    while begin < len(order):
        end = begin
        while end < len(order) and values[order[end]] == values[order[begin]]:
            end += 1
        for place in order[begin:end]:
            ranks[place] = (begin + 1 + end) / 2
        begin = end
    return ranks


def _correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    middle = (len(first) + 1) / 2  # the mean of ranks
    products = math.fsum((a - middle) * (b - middle) for a, b in zip(first, second, strict=True))
    squares = math.fsum((a - middle) ** 2 for a in first)
    squares *= math.fsum((b - middle) ** 2 for b in second)
    return products / math.sqrt(squares) if squares else None
