"""Agents without skill that are looked at after every round: how many are ever called better."""

from __future__ import annotations

import argparse
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.track_record.outcomes import rounds, separate
from alphapulse_api.domain.track_record.verdict import BETTER, WORSE, Bets
from tests.domain.track_record.agents import Market

from .harness import BenchmarkError

AGENTS: Final = 10_000
A_MARKET: Final = 50  # agents that share prices
BOUND: Final = 0.05


class Kind(NamedTuple):
    """Agents of one kind: their name, share, drift of their markets, and habits."""

    name: str
    share: float
    drift: float
    habits: dict[str, Any]


KINDS: Final = (
    Kind("guesses", 0.4, 0.0, {"up": 0.5}),
    Kind("mostly buys in rising markets", 0.2, 0.2, {"up": 0.8}),
    Kind("always buys in rising markets", 0.2, 0.2, {"up": 1.0}),
    Kind("keeps a random opinion on everything", 0.2, 0.0, {"sticky": True}),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument("--agents", type=int, default=AGENTS)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the agents")


def run(options: argparse.Namespace) -> None:
    """Print a line for each kind; fails where more than 5 % are ever called better."""
    agents = options.agents // 20 if options.quick else options.agents
    for number, kind in enumerate(KINDS):
        count = max(A_MARKET, int(agents * kind.share))
        better = worse = 0
        for seed in range(count):
            market_seed = 1000 * (number + 1) + seed // A_MARKET
            if seed % A_MARKET == 0:
                market = Market(market_seed, drift=kind.drift)
            verdicts = _ever(market, seed, kind)
            better += BETTER in verdicts
            worse += WORSE in verdicts
        print(f"{kind.name}: {count} agents, ever better {better}, ever worse {worse}")
        if better > BOUND * count:
            raise BenchmarkError(f"more than {BOUND:.0%} were called better")


def _ever(market: Market, seed: int, kind: Kind) -> set[str]:
    bets, found = Bets(), set()
    for group in rounds(separate(market.agent(seed, **kind.habits))):
        bets.bet(group)
        found.add(bets.verdict)
    return found
