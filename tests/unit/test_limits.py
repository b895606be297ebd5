"""The rate limit's arithmetic, against a clock that the test turns."""

from __future__ import annotations

import pytest

from alphapulse_api.limits import Gcra


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> Gcra:
    return Gcra(120, 60.0, clock=clock)


def test_the_whole_quota_may_come_at_once_and_not_one_more(limit: Gcra) -> None:
    remaining = [limit.take("ann").remaining for _ in range(120)]
    assert remaining == list(range(119, -1, -1))
    refused = limit.take("ann")
    assert not refused.allowed
    assert refused.remaining == 0
    assert refused.retry_after == pytest.approx(0.5)
    assert refused.reset == pytest.approx(60)


def test_the_allowance_comes_back_evenly(limit: Gcra, clock: Clock) -> None:
    for _ in range(120):
        limit.take("ann")
    for _ in range(240):  # as many again as two windows let through
        clock.now += 0.5
        assert limit.take("ann").allowed
        assert not limit.take("ann").allowed


def test_no_window_lets_more_than_two_quotas_through_however_it_is_cut(
    limit: Gcra, clock: Clock
) -> None:
    through = 0
    for _ in range(600):
        clock.now += 0.1
        through += limit.take("ann").allowed
    assert through <= 240


def test_refusals_cost_nothing(limit: Gcra, clock: Clock) -> None:
    for _ in range(10_000):
        limit.take("ann")
    clock.now += 60
    assert limit.take("ann").remaining == 119


def test_callers_do_not_share(limit: Gcra) -> None:
    for _ in range(121):
        limit.take("ann")
    assert limit.take("bob").remaining == 119


def test_looking_counts_nothing_and_giving_back_undoes_one(limit: Gcra) -> None:
    assert limit.look("ann").remaining == 120
    limit.take("ann")
    limit.take("ann")
    limit.give_back("ann")
    limit.give_back("nobody")
    assert limit.look("ann").remaining == 119


def test_one_number_a_caller_and_a_bound_on_callers(clock: Clock) -> None:
    limit = Gcra(1, 60.0, callers=2, clock=clock)
    for caller in ("ann", "bob", "cyd"):
        assert limit.take(caller).allowed
    assert limit.take("ann").allowed  # forgotten: the bound is on memory
    assert not limit.take("cyd").allowed
