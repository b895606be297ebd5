"""Synthetic agents on common symbols that move together, with overlapping horizons."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from alphapulse_api.domain.track_record.outcomes import DOWN, UP, Outcome

DAY = 86_400 * 1_000_000
WINDOWS = 30
HORIZONS = (1, 2, 5)


@dataclass
class Market:
    """Prices of some symbols, of which half of each day's change is common."""

    seed: int
    days: int = 250
    symbols: int = 10
    drift: float = 0.0
    prices: list[list[float]] = field(init=False)

    def __post_init__(self) -> None:
        generator = random.Random(self.seed)
        length = self.days + WINDOWS * max(HORIZONS) + max(HORIZONS)
        common = [generator.gauss(self.drift, 1) for _ in range(length)]
        self.prices = []
        for _ in range(self.symbols):
            price = [100.0]
            for day in range(length):
                own = generator.gauss(self.drift, 1)
                price.append(price[-1] * (1 + 0.007 * (common[day] + own)))
            self.prices.append(price)

    def outcome(
        self, symbol: int, day: int, horizon: int, call: int, stated: float | None
    ) -> Outcome:
        """The outcome of a call that is made that many days after the first windows."""
        prices = self.prices[symbol]
        at = day + WINDOWS * max(HORIZONS)
        earlier = [
            prices[at - (k - 1) * horizon] - prices[at - k * horizon] for k in range(1, WINDOWS + 1)
        ]
        change = prices[at + horizon] / prices[at] - 1
        rises, falls = sum(e > 0 for e in earlier), sum(e < 0 for e in earlier)
        conviction = None if stated is None else call * stated
        return Outcome(
            str(symbol), day * DAY, (day + horizon) * DAY, call, change, stated, conviction,
            rises, falls, WINDOWS,
        )  # fmt: skip

    def agent(
        self, seed: int, *, skill: float = 0.0, up: float = 0.5, sticky: bool = False
    ) -> list[Outcome]:
        """The outcomes of an agent that says something of up to three symbols each day.

        Args:
            seed: of its choices.
            skill: the share of its calls that are right by knowledge; the others are chance.
            up: the share of the others that are up.
            sticky: whether it keeps an opinion on all symbols for ten days.
        """
        generator = random.Random(seed)
        found = []
        mood = UP
        for day in range(self.days):
            if day % 10 == 0:
                mood = UP if generator.random() < up else DOWN
            for symbol in generator.sample(range(self.symbols), generator.randint(0, 3)):
                call = mood if sticky else (UP if generator.random() < up else DOWN)
                horizon = generator.choice(HORIZONS)
                outcome = self.outcome(symbol, day, horizon, call, generator.random())
                if generator.random() < skill:
                    right = UP if outcome.change > 0 else DOWN
                    outcome = outcome._replace(call=right)
                found.append(outcome)
        return found
