"""Agents that read closing prices and take a stance on each symbol: long, flat or short.

The parameters are the textbook ones, not fitted to the replayed years.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import fmean

from alphapulse_api.demo.performance import deviation

__all__ = [
    "Agent",
    "Allocation",
    "CoinFlip",
    "MeanReversion",
    "Momentum",
    "Signal",
    "View",
    "in_cents",
]

LONG, FLAT, SHORT = 1, 0, -1

HORIZON = "PT5S"
"""How long a forecast holds. Records have the present time, so it is in real seconds: 10 trading
days at the default speed."""

DIRECTIONS = {
    (FLAT, LONG): "buy",
    (SHORT, LONG): "buy",
    (LONG, FLAT): "sell",
    (SHORT, FLAT): "cover",
    (FLAT, SHORT): "short",
    (LONG, SHORT): "short",
}
"""The signal of each change of stance; no change is a hold."""


def in_cents(price: float) -> Decimal:
    """Return a computed price as a decimal of whole cents."""
    return Decimal(price).quantize(Decimal("0.01"))


@dataclass(frozen=True, slots=True)
class Signal:
    """An agent's view of a symbol on one day; prices are in USD.

    Attributes:
        confidence: from 0 to 1.
        conviction: from -1, surely down, to 1; None if it is no forecast of the price.
        horizon: an ISO 8601 duration; None if it is no forecast.
        thesis: why, in one or two sentences.
    """

    agent_id: str
    symbol: str
    direction: str
    confidence: float
    target_price: Decimal | None = None
    stop_loss: Decimal | None = None
    evidence: Mapping[str, float] = field(default_factory=dict)
    thesis: str = ""
    conviction: float | None = None
    horizon: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """An agent's opinion of a symbol: the stance, and what a signal says about it."""

    stance: int
    confidence: float
    thesis: str
    target_price: Decimal | None = None
    stop_loss: Decimal | None = None
    evidence: Mapping[str, float] = field(default_factory=dict)


class Agent:
    """Turns price histories into stances, and changes of stance into signals."""

    agent_id: str
    agent_type: str
    strategy: str
    horizon: str | None = HORIZON

    def __init__(self, symbols: Iterable[str]) -> None:
        self.stances = dict.fromkeys(symbols, FLAT)
        self.convictions = dict.fromkeys(self.stances, 0.0)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.stances}>"

    def assess(self, closes: Sequence[float], stance: int) -> View:
        """Return the view of a symbol from its closes, oldest first, and the current stance."""
        raise NotImplementedError

    def decide(self, histories: Mapping[str, Sequence[float]], review: bool) -> list[Signal]:
        """Set the day's stances; return a signal per change, or on a `review` per symbol."""
        signals = []
        for symbol, closes in histories.items():
            before = self.stances[symbol]
            view = self.assess(closes, before)
            self.stances[symbol] = view.stance
            self.convictions[symbol] = round(view.stance * view.confidence, 4)
            if review or view.stance != before:
                signals.append(
                    Signal(
                        agent_id=self.agent_id,
                        symbol=symbol,
                        direction=DIRECTIONS.get((before, view.stance), "hold"),
                        confidence=round(view.confidence, 4),
                        target_price=view.target_price,
                        stop_loss=view.stop_loss,
                        evidence={name: round(value, 4) for name, value in view.evidence.items()},
                        thesis=view.thesis,
                        conviction=self.convictions[symbol] if self.horizon else None,
                        horizon=self.horizon,
                    )
                )
        return signals


class Allocation(Agent):
    """The core holding: always long, at equal weights. It forecasts nothing."""

    agent_id = "allocation"
    agent_type = "allocation"
    strategy = "equal-weight"
    horizon = None

    def assess(self, closes: Sequence[float], stance: int) -> View:
        return View(
            LONG,
            confidence=1.0,
            thesis="Core holding: equal weights, whatever the price does. This is no forecast.",
        )


class Momentum(Agent):
    """Follows the trend: long while the 10-day average is above the 50-day one, short below it.

    Within a band of half a percent the stance does not change, so that a flat market causes no
    churn. Confidence is full at a spread of ten percent. A trend has no target price.
    """

    agent_id = "momentum"
    agent_type = "momentum"
    strategy = "moving-average-cross"

    FAST, SLOW = 10, 50
    BAND = 0.005
    FULL_CONFIDENCE = 0.10

    def assess(self, closes: Sequence[float], stance: int) -> View:
        fast, slow = fmean(closes[-self.FAST :]), fmean(closes[-self.SLOW :])
        spread = fast / slow - 1
        reason = f"That is within the band of {self.BAND:.1%}, so the stance stays as it was."
        if abs(spread) > self.BAND:
            stance = LONG if spread > 0 else SHORT
            reason = f"The trend is {'up' if spread > 0 else 'down'}, and it follows the trend."
        return View(
            stance,
            confidence=min(1.0, abs(spread) / self.FULL_CONFIDENCE),
            thesis=f"The {self.FAST}-day average is {spread:+.1%} from the {self.SLOW}-day "
            f"average. {reason}",
            evidence={"fast_average": fast, "slow_average": slow},
        )


class MeanReversion(Agent):
    """Bets on a return to the 20-day average from two standard deviations away.

    It exits at the average (the target price), or at three and a half deviations (the stop loss);
    both prices are computed anew each day. Confidence is full at the stop.
    """

    agent_id = "mean-reversion"
    agent_type = "mean_reversion"
    strategy = "z-score"

    WINDOW = 20
    ENTRY, STOP = 2.0, 3.5

    def assess(self, closes: Sequence[float], stance: int) -> View:
        window = closes[-self.WINDOW :]
        mean, spread = fmean(window), deviation(window)
        score = (closes[-1] - mean) / spread if spread else 0.0
        if abs(score) >= self.STOP:
            stance, reason = FLAT, f"{self.STOP:g} or more is the stop: it holds nothing."
        elif score * stance > 0:
            stance, reason = FLAT, "The price is back at its average: the bet is over."
        elif abs(score) >= self.ENTRY:
            stance = SHORT if score > 0 else LONG
            reason = f"Beyond {self.ENTRY:g} it bets on a return to the average."
        elif stance:
            reason = "It waits for the price to return to the average."
        else:
            reason = f"Within {self.ENTRY:g} there is nothing to bet on."
        return View(
            stance,
            confidence=min(1.0, abs(score) / self.STOP),
            thesis=f"The close is {score:+.1f} standard deviations from its {self.WINDOW}-day "
            f"average. {reason}",
            target_price=in_cents(mean) if stance else None,
            stop_loss=in_cents(mean - stance * self.STOP * spread) if stance else None,
            evidence={"z_score": score},
        )


class CoinFlip(Agent):
    """Flips a coin each week, so that its track record shows what chance looks like.

    It is not given any money. The seed is fixed: a simulation that is repeated is the same.
    """

    agent_id = "coin-flip"
    agent_type = "random"
    strategy = "none"

    SEED = 20070702

    def __init__(self, symbols: Iterable[str]) -> None:
        super().__init__(symbols)
        self._coin = random.Random(self.SEED)  # noqa: S311

    def decide(self, histories: Mapping[str, Sequence[float]], review: bool) -> list[Signal]:
        """Flip for each symbol on a `review`; no flip depends on an earlier one."""
        if not review:
            return []
        self.stances = dict.fromkeys(self.stances, FLAT)
        return super().decide(histories, review)

    def assess(self, closes: Sequence[float], stance: int) -> View:
        heads = self._coin.random() < 0.5
        return View(
            LONG if heads else SHORT,
            confidence=0.5,
            thesis=f"A coin came up {'heads: up' if heads else 'tails: down'}. "
            "It did not look at any price.",
        )
