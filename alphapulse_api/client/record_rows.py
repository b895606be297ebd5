"""The types of the track record of an agent."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, TypedDict

from alphapulse_api.client.rows import BookMode, Fee

Verdict = Literal["too_few", "no_better_than_chance", "better", "worse"]


class Estimate(TypedDict):
    """A figure and its confidence interval of 95 %."""

    value: float | None
    low: float | None
    high: float | None


class Interval(TypedDict):
    """The bounds of the confidence interval of 95 % of the figure beside it."""

    low: float | None
    high: float | None


class CalibrationBin(TypedDict):
    """Outcomes with stated probabilities in a decile."""

    low: float
    high: float
    outcomes: int
    stated: float
    happened: float
    happened_interval: Interval


class OutcomeFigures(TypedDict):
    """What the outcomes of signals show."""

    outcomes: int
    hit_rate: Estimate
    base_rate: float | None
    base_rate_interval: Interval
    brier_score: Estimate
    calibration: list[CalibrationBin]
    rank_correlation: Estimate
    mean_return: Estimate
    mean_return_after_cost: Estimate


class RealizedProfit(TypedDict):
    """The closed round trips of an agent."""

    currency: str | None
    round_trips: int
    realized: Decimal
    net: Decimal
    mean: Estimate
    fees: list[Fee]


class ThinkingCost(TypedDict):
    """What calls of models cost in a currency."""

    currency: str
    cost: Decimal
    profit_per_cost: float | None
    profit_per_cost_interval: Interval


class TrackRecord(OutcomeFigures):
    """The track record of an agent in a book."""

    agent_id: str
    book: str
    mode: BookMode | None
    signals: int
    abstentions: int
    pending: int
    unpriced: int
    overlapping: int
    verdict: Verdict | None
    rounds: int
    imported: OutcomeFigures
    cost_rate: float | None
    profit: RealizedProfit
    thinking: list[ThinkingCost]
    unknown_costs: int
