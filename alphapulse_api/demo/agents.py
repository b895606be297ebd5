"""Agents that read closing prices and take a stance on each symbol: long, flat or short.

The parameters are the textbook ones, not fitted to the replayed years.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import fmean

from alphapulse_api.demo.performance import deviation

__all__ = ["Agent", "Allocation", "MeanReversion", "Momentum", "Signal", "View", "in_cents"]

LONG, FLAT, SHORT = 1, 0, -1

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
    """An agent's view of a symbol on one day; `confidence` is from 0 to 1, prices are in USD."""

    agent_id: str
    symbol: str
    direction: str
    confidence: float
    target_price: Decimal | None = None
    stop_loss: Decimal | None = None
    evidence: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class View:
    """An agent's opinion of a symbol: the stance, and what a signal says about it."""

    stance: int
    confidence: float
    target_price: Decimal | None = None
    stop_loss: Decimal | None = None
    evidence: Mapping[str, float] = field(default_factory=dict)


class Agent:
    """Turns price histories into stances, and changes of stance into signals."""

    agent_id: str
    agent_type: str
    strategy: str

    def __init__(self, symbols: Iterable[str]) -> None:
        self.stances = dict.fromkeys(symbols, FLAT)

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
                    )
                )
        return signals


class Allocation(Agent):
    """The core holding: always long, at equal weights."""

    agent_id = "allocation"
    agent_type = "allocation"
    strategy = "equal-weight"

    def assess(self, closes: Sequence[float], stance: int) -> View:
        return View(LONG, confidence=1.0)


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
        if abs(spread) > self.BAND:
            stance = LONG if spread > 0 else SHORT
        return View(
            stance,
            confidence=min(1.0, abs(spread) / self.FULL_CONFIDENCE),
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
        if abs(score) >= self.STOP or score * stance > 0:
            stance = FLAT
        elif abs(score) >= self.ENTRY:
            stance = SHORT if score > 0 else LONG
        return View(
            stance,
            confidence=min(1.0, abs(score) / self.STOP),
            target_price=in_cents(mean) if stance else None,
            stop_loss=in_cents(mean - stance * self.STOP * spread) if stance else None,
            evidence={"z_score": score},
        )
