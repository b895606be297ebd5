"""Whether a figure grows: a straight line through its samples, and how sure its slope is."""

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
        """Whether it is within two standard errors of certainty that the slope is below `limit`.

        "not decided" where the samples scatter so much that they could hide such a growth.
        """
        if self.slope + 2 * self.error <= limit:
            return "flat"
        return "GROWS" if self.slope - 2 * self.error > limit else "not decided"


def trend(minutes: Sequence[float], values: Sequence[float]) -> Trend:
    """Ordinary least squares, the error of the slope from the residuals.

    Samples that follow each other are not independent, so the error is rather too small: it tells
    a growth from scatter, it is no interval of confidence.

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
