"""A test by betting whether an agent's calls tell anything, which holds at every look.

Somebody bets, one round of outcomes after the other, that the calls are better than chance. In each
round the stake is multiplied by 1 + f b Z, with

    Z = the mean of (call - usual call) x (direction of the price - usual direction)

over the outcomes of the round. The usual call is the mean of the agent's earlier calls, and the
usual direction that of the earlier windows of the symbol, so neither an agent that always says buy
in a rising market nor one that guesses wins by it. b is 1 / the largest possible |Z|, known before
the round; f is a fixed fraction. The wealth is the mean over several f, starting at 1.

If the calls do not depend on where the price goes, Z is 0 on average whatever was seen before. Then
the wealth is a nonnegative martingale, and by Ville's inequality the chance that it ever reaches w
is at most 1/w, however often one looks. The bet that they are worse is the same with -Z.

Sources: Ville, Étude critique de la notion de collectif (1939); Waudby-Smith and Ramdas, Estimating
means of bounded random variables by betting, JRSS B 86 (2024), of which this is the mixture over a
grid of fractions (their section 4, hedged capital).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from alphapulse_api.domain.track_record.outcomes import Outcome, rounds

LEAST: Final = 20  # rounds for a verdict
LEVEL: Final = 0.025  # for each side, so 5 % for both
FRACTIONS: Final = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8)
_PRIOR: Final = 10  # calls, half of them up, that the usual call begins with

TOO_FEW: Final = "too_few"
NO_BETTER: Final = "no_better_than_chance"
BETTER: Final = "better"
WORSE: Final = "worse"
VERDICTS: Final = (TOO_FEW, NO_BETTER, BETTER, WORSE)


@dataclass(slots=True)
class Bets:
    """The state of both bets.

    Attributes:
        rounds: that were bet on.
        better: logarithms of the wealth for each fraction, of the bet that calls are better.
        worse: the same of the bet that they are worse.
    """

    rounds: int = 0
    better: list[float] = field(default_factory=lambda: [0.0] * len(FRACTIONS))
    worse: list[float] = field(default_factory=lambda: [0.0] * len(FRACTIONS))
    _calls: int = 0
    _sum: int = 0

    def bet(self, outcomes: Sequence[Outcome]) -> None:
        """Bet on one round."""
        usual = self._sum / (self._calls + _PRIOR)
        total, bound = 0.0, 0.0
        for outcome in outcomes:
            moved = (outcome.change > 0) - (outcome.change < 0)
            total += (outcome.call - usual) * (moved - outcome.drift)
            bound += (1 + abs(usual)) * (1 + abs(outcome.drift))
        step = total / bound
        for number, fraction in enumerate(FRACTIONS):
            self.better[number] += math.log1p(fraction * step)
            self.worse[number] += math.log1p(-fraction * step)
        self._calls += len(outcomes)
        self._sum += sum(outcome.call for outcome in outcomes)
        self.rounds += 1

    @property
    def verdict(self) -> str:
        """What the bets show now."""
        if self.rounds < LEAST:
            return TOO_FEW
        if wealth(self.better) >= 1 / LEVEL:
            return BETTER
        return WORSE if wealth(self.worse) >= 1 / LEVEL else NO_BETTER


def wealth(logarithms: Sequence[float]) -> float:
    """The mean wealth over the fractions."""
    return sum(math.exp(min(each, 700.0)) for each in logarithms) / len(logarithms)


def bets_on(outcomes: Sequence[Outcome]) -> Bets:
    """The bets after all rounds of separate outcomes of one agent."""
    bets = Bets()
    for group in rounds(outcomes):
        bets.bet(group)
    return bets
