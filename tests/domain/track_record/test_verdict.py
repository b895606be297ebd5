"""The test by betting: whoever guesses is hardly ever called better, whenever one looks."""

from __future__ import annotations

import pytest

from alphapulse_api.domain.track_record.outcomes import Outcome, rounds, separate
from alphapulse_api.domain.track_record.verdict import (
    BETTER,
    NO_BETTER,
    TOO_FEW,
    WORSE,
    Bets,
    bets_on,
)
from tests.domain.track_record.agents import DAY, Market

AGENTS = 60


def ever(outcomes: list[Outcome]) -> set[str]:
    """All verdicts of somebody who looks after every round."""
    bets, found = Bets(), set()
    for group in rounds(separate(outcomes)):
        bets.bet(group)
        found.add(bets.verdict)
    return found


@pytest.mark.parametrize(
    ("drift", "up", "sticky"),
    [(0.0, 0.5, False), (0.2, 0.8, False), (0.2, 1.0, False), (0.0, 0.5, True)],
    ids=["guesses", "mostly-buys", "always-buys", "follows-moods"],
)
def test_agents_without_skill_are_not_called_better(drift: float, up: float, sticky: bool) -> None:
    verdicts = [
        ever(Market(seed // 20, drift=drift).agent(seed, up=up, sticky=sticky))
        for seed in range(AGENTS)
    ]
    assert sum(BETTER in each for each in verdicts) <= 0.05 * AGENTS
    assert sum(WORSE in each for each in verdicts) <= 0.05 * AGENTS


def test_agents_with_skill_are_called_better() -> None:
    market = Market(1)
    found = [bets_on(separate(market.agent(seed, skill=0.4))).verdict for seed in range(20)]
    assert found.count(BETTER) >= 18


def test_an_agent_that_is_always_wrong_is_worse() -> None:
    market = Market(2)
    wrong = [each._replace(call=-each.call) for each in market.agent(3, skill=1.0)]
    assert bets_on(separate(wrong)).verdict == WORSE


def test_few_rounds_have_no_verdict() -> None:
    half = [Outcome("A", n * DAY, (n + 1) * DAY, 1, 0.01 * (-1) ** n) for n in range(20)]
    assert bets_on(half[:19]).verdict == TOO_FEW
    assert bets_on(half).verdict == NO_BETTER


def test_overlapping_windows_of_a_symbol_are_one_outcome() -> None:
    same = [Outcome("A", n * DAY, (n + 3) * DAY, 1, 0.01) for n in range(7)]
    other = Outcome("B", DAY, 2 * DAY, -1, 0.01)
    kept = separate([*same, other])
    assert [(each.symbol, each.entry_at // DAY) for each in kept] == [
        ("A", 0), ("B", 1), ("A", 3), ("A", 6),
    ]  # fmt: skip
    assert [len(group) for group in rounds(kept)] == [2, 1, 1]
