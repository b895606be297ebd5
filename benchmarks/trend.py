"""Whether a figure grows: a straight line through its samples, and the error of its slope."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trend:
    """A slope a minute, with its standard error."""

    slope: float
    error: float

    def verdict(self, limit: float) -> str:
        """Whether the slope is below `limit`, with a margin of two standard errors.

        "not decided" if the samples scatter so much that they could hide such growth.
        """
        if self.slope + 2 * self.error <= limit:
            return "flat"
        return "GROWS" if self.slope - 2 * self.error > limit else "not decided"


def trend(minutes: Sequence[float], values: Sequence[float]) -> Trend:
    """Ordinary least squares, the error of the slope from the residuals.

    Successive samples are not independent, so the error is too small for a confidence interval. It
    distinguishes growth from scatter.

    Raises:
        statistics.StatisticsError: for fewer than two instants.
    """
    line = statistics.linear_regression(minutes, values)
    middle = statistics.fmean(minutes)
    residuals = math.fsum(
        (value - line.intercept - line.slope * minute) ** 2
        for minute, value in zip(minutes, values, strict=True)
    )
    spread = math.fsum((minute - middle) ** 2 for minute in minutes)
    error = math.sqrt(residuals / max(1, len(minutes) - 2) / spread)
    return Trend(line.slope, error)
