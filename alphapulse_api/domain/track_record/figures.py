"""The figures of separate outcomes of one agent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from alphapulse_api.domain.track_record.intervals import Estimate, mean, rank_correlation, share
from alphapulse_api.domain.track_record.outcomes import Outcome

BINS: Final = 10


class Bin(NamedTuple):
    """A decile of stated probabilities; it contains its upper bound.

    Attributes:
        low: the lower bound.
        high: the upper bound.
        outcomes: their number.
        stated: their mean probability.
        happened: the share of hits among them.
    """

    low: float
    high: float
    outcomes: int
    stated: float
    happened: Estimate


class Figures(NamedTuple):
    """What the outcomes show; None where there are none to make it of.

    Attributes:
        outcomes: their number.
        hit_rate: the share of calls that were right.
        base_rate: what the same calls would have hit in the windows before them.
        brier_score: the mean of (stated probability - 1 for a hit, 0 for a miss) squared.
        calibration: the deciles that are not empty.
        rank_correlation: of conviction and return.
        mean_return: of the calls: the return of the price, negative for a call down.
        mean_return_after_cost: the same less the cost of a round trip.
    """

    outcomes: int
    hit_rate: Estimate | None
    base_rate: Estimate | None
    brier_score: Estimate | None
    calibration: list[Bin]
    rank_correlation: Estimate | None
    mean_return: Estimate | None
    mean_return_after_cost: Estimate | None


def figures_of(outcomes: Sequence[Outcome], cost: float | None) -> Figures:
    """The figures.

    Args:
        outcomes: separate ones.
        cost: of a round trip, as a share of the traded value; None if it is not known.
    """
    stated = [(o.stated, o.hit) for o in outcomes if o.stated is not None]
    convinced = [(o.conviction, o.change) for o in outcomes if o.conviction is not None]
    returns = [outcome.call * outcome.change for outcome in outcomes]
    return Figures(
        len(outcomes),
        share(sum(outcome.hit for outcome in outcomes), len(outcomes)) if outcomes else None,
        mean([outcome.base_rate for outcome in outcomes]),
        mean([(probability - hit) ** 2 for probability, hit in stated]),
        calibration(stated),
        rank_correlation([c for c, _ in convinced], [change for _, change in convinced]),
        mean(returns),
        None if cost is None else mean([each - cost for each in returns]),
    )


def calibration(stated: Sequence[tuple[float, bool]]) -> list[Bin]:
    """Stated probabilities by decile, beside what happened."""
    found: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for probability, hit in stated:
        found[sum(probability > edge / BINS for edge in range(1, BINS))].append((probability, hit))
    return [
        Bin(
            number / BINS,
            (number + 1) / BINS,
            len(each),
            math.fsum(probability for probability, _ in each) / len(each),
            share(sum(hit for _, hit in each), len(each)),
        )
        for number, each in enumerate(found)
        if each
    ]
