"""The outcome of a signal: what the price did from the signal's receipt to its horizon."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

UP, DOWN = 1, -1
WINDOWS: Final = 30  # before a signal, of which the base rate is made
SETTLED: Final = 60_000_000  # microseconds after which a price is taken as it is recorded
WAIT: Final = 4 * 86_400_000_000  # microseconds that a price is waited for: a long weekend
_SIGNS: Final = {"buy": UP, "cover": UP, "sell": DOWN, "short": DOWN}


class Outcome(NamedTuple):
    """A signal whose horizon has ended, with its prices.

    Attributes:
        symbol: of the signal.
        entry_at: of the entry price, in microseconds since the epoch.
        exit_at: of the exit price.
        call: `UP` or `DOWN`.
        change: the return of the price, exit / entry - 1.
        stated: the probability that the agent gave its call, 0 to 1; None if it gave none.
        conviction: -1 to 1, or None.
        rises: how many earlier windows of the same length ended higher than they began.
        falls: how many ended lower.
        windows: how many there are.
    """

    symbol: str
    entry_at: int
    exit_at: int
    call: int
    change: float
    stated: float | None = None
    conviction: float | None = None
    rises: int = 0
    falls: int = 0
    windows: int = 0

    @property
    def hit(self) -> bool:
        """Whether the price went where the agent said; an unchanged price is no hit."""
        return self.call * self.change > 0

    @property
    def base_rate(self) -> float:
        """The chance of a hit in the earlier windows, with one window added for each result."""
        hits = self.rises if self.call == UP else self.falls
        return (hits + 1) / (self.windows + 2)

    @property
    def drift(self) -> float:
        """The mean direction of the earlier windows, -1 to 1, with the same windows added."""
        return (self.rises - self.falls) / (self.windows + 2)


def call_of(direction: str) -> int | None:
    """Where a direction says that the price goes; None for hold."""
    return _SIGNS.get(direction)


def stated_of(confidence: float | None, conviction: float | None) -> float | None:
    """The probability that an agent gave its call: its confidence, else (1 + |conviction|) / 2."""
    if confidence is not None:
        return confidence
    return None if conviction is None else (1 + abs(conviction)) / 2


def separate(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The outcomes of one agent whose windows do not overlap within a symbol, by entry.

    Of overlapping ones the first counts: saying the same again proves nothing more.
    """
    ends: dict[str, int] = {}
    kept: list[Outcome] = []
    for outcome in sorted(outcomes, key=lambda each: (each.entry_at, each.exit_at, each.symbol)):
        if outcome.entry_at >= ends.get(outcome.symbol, outcome.entry_at):
            ends[outcome.symbol] = outcome.exit_at
            kept.append(outcome)
    return kept


def rounds(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    """Separate outcomes in groups that are one observation of the test, oldest first.

    A round begins with an entry and contains every entry before the exit of that outcome, because
    symbols move together: fifty calls of one moment are not fifty independent observations.
    """
    groups: list[list[Outcome]] = []
    end: int | None = None
    for outcome in sorted(outcomes, key=lambda each: (each.entry_at, each.exit_at, each.symbol)):
        if end is None or outcome.entry_at >= end:
            groups.append([])
            end = outcome.exit_at
        groups[-1].append(outcome)
    return groups
