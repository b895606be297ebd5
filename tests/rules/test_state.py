"""The state machine of a group, without a clock."""

from __future__ import annotations

import pytest

from alphapulse_api.rules.state import Condition, Phase, State, Timing

AT_ONCE = Timing()
PATIENT = Timing(hold=60, keep=30)


def walk(timing: Timing, *steps: tuple[int, bool]) -> list[State]:
    state, states = State(), []
    for at, met in steps:
        state = state.next(met, at, timing)
        states.append(state)
    return states


def test_without_delays_it_fires_and_recovers_at_once() -> None:
    assert walk(AT_ONCE, (1, False), (2, True), (3, True), (4, False)) == [
        State(),
        State(Phase.FIRING, 2, 2),
        State(Phase.FIRING, 2, 2),
        State(Phase.OK, 4),
    ]


def test_it_fires_once_the_condition_was_met_long_enough() -> None:
    assert walk(PATIENT, (10, True), (69, True), (70, True)) == [
        State(Phase.PENDING, 10),
        State(Phase.PENDING, 10),
        State(Phase.FIRING, 70, 70),
    ]


def test_a_condition_that_is_not_met_in_between_begins_anew() -> None:
    assert walk(PATIENT, (10, True), (60, False), (61, True), (120, True), (121, True)) == [
        State(Phase.PENDING, 10),
        State(Phase.OK, 60),
        State(Phase.PENDING, 61),
        State(Phase.PENDING, 61),
        State(Phase.FIRING, 121, 121),
    ]


def test_it_keeps_firing_for_a_while_and_is_the_same_alert_if_it_comes_back() -> None:
    fired = walk(PATIENT, (0, True), (60, True))[-1]
    recovering = fired.next(False, 100, PATIENT)
    assert recovering == State(Phase.RECOVERING, 100, 60)
    assert recovering.phase.fires
    assert recovering.next(False, 129, PATIENT) is recovering
    assert recovering.next(True, 129, PATIENT) == State(Phase.FIRING, 129, 60)
    assert recovering.next(False, 130, PATIENT) == State(Phase.OK, 130)


@pytest.mark.parametrize(
    ("state", "due"),
    [
        (State(), None),
        (State(Phase.PENDING, 10), 70),
        (State(Phase.FIRING, 10, 10), None),
        (State(Phase.RECOVERING, 10, 5), 40),
    ],
)
def test_time_alone_changes_what_waits(state: State, due: int | None) -> None:
    assert state.due(PATIENT) == due


def test_a_recovery_threshold_holds_only_while_it_fires() -> None:
    condition = Condition(">", 5.0)
    assert not condition.met(7.0, 10.0, firing=False)
    assert condition.met(7.0, 10.0, firing=True)
    assert not condition.met(5.0, 10.0, firing=True)


@pytest.mark.parametrize("firing", [True, False])
def test_nothing_is_met_without_a_value_or_a_threshold(*, firing: bool) -> None:
    assert not Condition("<").met(None, 10.0, firing=firing)
    assert not Condition("!=").met(1.0, None, firing=firing)
