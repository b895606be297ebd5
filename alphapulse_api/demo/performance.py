"""Performance of an equity curve: plain functions of daily values or daily returns.

Returns, volatilities and drawdowns are fractions (0.01 is one percent). A ratio that the numbers
do not determine (fewer than two returns, no deviation) is None, never zero or infinity.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import fsum, sqrt
from statistics import fmean

__all__ = [
    "TRADING_DAYS",
    "Performance",
    "annualised_volatility",
    "current_drawdown",
    "daily_returns",
    "deviation",
    "max_drawdown",
    "sharpe_ratio",
    "sortino_ratio",
    "summary",
    "total_return",
]

TRADING_DAYS = 252
"""Trading days in a year, the usual convention for US equities."""


def daily_returns(values: Sequence[float]) -> list[float]:
    """Return the simple returns ``V[t] / V[t-1] - 1`` of positive account values."""
    return [later / earlier - 1 for earlier, later in pairwise(values)]


def deviation(values: Sequence[float]) -> float:
    """Return the sample standard deviation (N - 1) of at least two values.

    It is exactly zero when all values are equal, where a plain formula would have rounding errors.
    It is an order of magnitude faster than `statistics.stdev`, which computes with fractions.
    """
    if min(values) == max(values):
        return 0.0
    mean = fmean(values)
    return sqrt(fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def total_return(values: Sequence[float]) -> float | None:
    """Return ``V[last] / V[first] - 1``; None for fewer than two values."""
    return values[-1] / values[0] - 1 if len(values) > 1 else None


def annualised_volatility(returns: Sequence[float]) -> float | None:
    """Return the sample standard deviation of daily returns times ``sqrt(252)``.

    None for fewer than two returns.
    """
    return deviation(returns) * sqrt(TRADING_DAYS) if len(returns) > 1 else None


def sharpe_ratio(returns: Sequence[float], risk_free: float = 0.0) -> float | None:
    """Return the annualised ex post Sharpe ratio of daily returns.

    ``mean(D) / deviation(D) * sqrt(252)``, where D is the differential return, here over the
    constant daily `risk_free` rate, and the deviation has N - 1 in the denominator: W. F. Sharpe,
    "The Sharpe Ratio", Journal of Portfolio Management 21(1), 1994, equations 3 to 6, annualised as
    in its section "Time Dependence". None for fewer than two returns or when they do not deviate.
    """
    if len(returns) < 2:
        return None
    spread = deviation(returns)
    return (fmean(returns) - risk_free) / spread * sqrt(TRADING_DAYS) if spread else None


def sortino_ratio(returns: Sequence[float], target: float = 0.0) -> float | None:
    """Return the annualised Sortino ratio of daily returns against a daily `target`.

    ``(mean(R) - T) / sqrt(mean(min(0, R - T)**2)) * sqrt(252)``; the downside deviation is taken
    over all N returns, not only over the losing ones: F. A. Sortino and L. N. Price, "Performance
    Measurement in a Downside Risk Framework", Journal of Investing 3(3), 1994. None for fewer than
    two returns or when none is below the target.
    """
    if len(returns) < 2:
        return None
    downside = sqrt(fmean(min(0.0, value - target) ** 2 for value in returns))
    return (fmean(returns) - target) / downside * sqrt(TRADING_DAYS) if downside else None


def max_drawdown(values: Sequence[float]) -> float | None:
    """Return the deepest fall from a running peak, as a positive fraction of that peak.

    None for fewer than two values.
    """
    if len(values) < 2:
        return None
    peak, deepest = values[0], 0.0
    for value in values:
        peak = max(peak, value)
        deepest = max(deepest, 1 - value / peak)
    return deepest


def current_drawdown(values: Sequence[float]) -> float | None:
    """Return how far the last value is below the highest, as a positive fraction of the highest.

    None for fewer than two values.
    """
    return 1 - values[-1] / max(values) if len(values) > 1 else None


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return every measure of this module that `values` determine, by its name."""
    returns = daily_returns(values)
    measures = {
        "total_return": total_return(values),
        "annualised_volatility": annualised_volatility(returns),
        "sharpe_ratio": sharpe_ratio(returns),
        "sortino_ratio": sortino_ratio(returns),
        "max_drawdown": max_drawdown(values),
        "current_drawdown": current_drawdown(values),
    }
    return {name: value for name, value in measures.items() if value is not None}


class Performance:
    """`summary` of a curve that never ends: each value is added in constant time and memory.

    Mean and deviation are Welford's (Technometrics 4(3), 1962).
    """

    __slots__ = (
        "_deepest",
        "_downside",
        "_first",
        "_last",
        "_last_return",
        "_mean",
        "_peak",
        "_returns",
        "_squares",
    )

    def __init__(self) -> None:
        self._first: float | None = None
        self._last = self._peak = self._deepest = 0.0
        self._returns = 0
        self._mean = self._squares = self._downside = self._last_return = 0.0

    def __repr__(self) -> str:
        return f"<Performance returns={self._returns} last={self._last}>"

    @property
    def last_return(self) -> float:
        """The newest value's simple return; zero before the second value."""
        return self._last_return

    def add(self, value: float) -> None:
        """Add the account's next value, which is positive."""
        if self._first is None:
            self._first = self._peak = self._last = value
            return
        change = value / self._last - 1
        self._last = value
        self._peak = max(self._peak, value)
        self._deepest = max(self._deepest, 1 - value / self._peak)
        self._returns += 1
        distance = change - self._mean
        self._mean += distance / self._returns
        self._squares += distance * (change - self._mean)
        self._downside += min(0.0, change) ** 2
        self._last_return = change

    def summary(self) -> dict[str, float]:
        """Return every measure that the values so far determine, by its name."""
        if self._first is None or not self._returns:
            return {}
        measures = {"total_return": self._last / self._first - 1}
        if self._returns > 1:
            spread = sqrt(self._squares / (self._returns - 1))
            downside = sqrt(self._downside / self._returns)
            measures["annualised_volatility"] = spread * sqrt(TRADING_DAYS)
            if spread:
                measures["sharpe_ratio"] = self._mean / spread * sqrt(TRADING_DAYS)
            if downside:
                measures["sortino_ratio"] = self._mean / downside * sqrt(TRADING_DAYS)
        measures["max_drawdown"] = self._deepest
        measures["current_drawdown"] = 1 - self._last / self._peak
        return measures
