"""When receivers are told of what, without a clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.config import NotifyConfig, QuietHoursConfig, ReceiverConfig, RouteConfig
from alphapulse_api.domain.matching import Matcher
from alphapulse_api.domain.notifications import (
    ACKNOWLEDGED,
    CAUSES,
    ESCALATED,
    PENDING,
    RAISED,
    REPEATED,
    RESOLVED,
    SEVERITY,
    SILENCED,
    cause_of,
)
from alphapulse_api.domain.times import from_micros, to_micros
from alphapulse_api.notify.planning import (
    LONGEST_RETRY,
    Row,
    Silence,
    judge,
    repeats,
    retry_at,
    route,
)
from alphapulse_api.notify.quiet_hours import QuietHours
from alphapulse_api.notify.routing import Router
from alphapulse_api.notify.windows import MESSAGES, MINUTE, SECOND, Pace, Windows

NOW = to_micros(datetime(2026, 3, 1, 12, tzinfo=UTC))
NEVER_QUIET = QuietHours(QuietHoursConfig())


def alert(**fields: Any) -> dict[str, Any]:
    return {
        "id": "x", "severity": "error", "source": "risk", "rule_id": None, "tags": [],
        "metadata": {}, "book": "main", "status": "active", "created_at": from_micros(NOW),
        **fields,
    }  # fmt: skip


def router(*routes: RouteConfig, **fields: Any) -> Router:
    receivers = {name: ReceiverConfig(urls=(f"ntfy://{name}",)) for name in ("a", "b")}
    return Router(NotifyConfig(receivers=receivers, routes=routes, **fields))


def planned(where: Router, cause: str, told: Any = (), **fields: Any) -> list[tuple[str, str]]:
    plans = route(where, Windows(), cause, alert(**fields), told, NOW)
    return [(plan.receiver, plan.cause) for plan in plans]


# -- what a change of an alert means


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        (None, {}, RAISED),
        (None, {"status": "resolved"}, None),
        ({}, {"message": "more"}, None),
        ({}, {"severity": "critical"}, SEVERITY),
        ({"severity": "critical"}, {}, None),
        ({}, {"status": "acknowledged"}, ACKNOWLEDGED),
        ({"status": "acknowledged"}, {"status": "resolved"}, RESOLVED),
        ({"status": "resolved"}, {"created_at": from_micros(NOW + 1)}, RAISED),
        ({"status": "acknowledged"}, {"status": "acknowledged", "severity": "critical"}, SEVERITY),
    ],
)
def test_the_cause_of_a_change(
    before: dict[str, Any] | None, after: dict[str, Any], cause: str | None
) -> None:
    assert cause_of(None if before is None else alert(**before), alert(**after)) == cause


# -- routes


def test_acknowledged_and_resolved_are_told_where_that_is_wanted() -> None:
    quiet = router(RouteConfig(receivers=("a",), resolved=False))
    assert planned(quiet, RESOLVED, status="resolved") == []
    assert planned(quiet, ACKNOWLEDGED, status="acknowledged") == []
    loud = router(RouteConfig(receivers=("a",), acknowledged=True))
    assert planned(loud, RESOLVED, status="resolved") == [("a", RESOLVED)]
    assert planned(loud, ACKNOWLEDGED, status="acknowledged") == [("a", ACKNOWLEDGED)]


def test_whoever_was_told_of_an_alert_is_told_how_it_ends() -> None:
    only_a = router(RouteConfig(receivers=("a",)))
    assert planned(only_a, RESOLVED, {"b"}, status="resolved") == [("a", RESOLVED), ("b", RESOLVED)]
    assert planned(only_a, SEVERITY, {"b"}) == [("a", SEVERITY)]


def test_an_alert_is_escalated_once_a_receiver() -> None:
    where = router(
        RouteConfig(receivers=("a",), escalate_to="b", escalate_after=60, continues=True),
        RouteConfig(receivers=("b",), escalate_to="b", escalate_after=90),
    )
    assert planned(where, RAISED) == [("a", RAISED), ("b", ESCALATED), ("b", RAISED)]
    plans = route(where, Windows(), RAISED, alert(), (), NOW)
    # A receiver that several routes escalate to is told at the earliest of their times.
    assert {plan.due - NOW for plan in plans if plan.cause == ESCALATED} == {60 * SECOND}
    assert planned(where, RESOLVED, status="resolved") == [("a", RESOLVED), ("b", RESOLVED)]
    # Somebody was faster than the sender.
    assert ("b", ESCALATED) not in planned(where, RAISED, status="acknowledged")


# -- groups


def test_a_hundred_alerts_of_a_second_are_due_at_once() -> None:
    where, windows = router(RouteConfig(receivers=("a",))), Windows()
    due = {
        plan.due
        for n in range(100)
        for plan in route(where, windows, RAISED, alert(id=str(n)), (), NOW + n * 10_000)
    }
    assert due == {NOW + 10 * SECOND}


@given(st.lists(st.integers(0, 3600 * SECOND), min_size=1, max_size=200))
def test_a_storm_is_as_many_messages_as_there_are_intervals(times: list[int]) -> None:
    where, windows = router(RouteConfig(receivers=("a",))), Windows()
    plans = []
    for at in sorted(times):
        (plan,) = route(where, windows, RAISED, alert(), (), NOW + at)
        assert plan.due >= NOW + at
        assert plan.due <= NOW + at + 70 * SECOND
        plans.append(plan.due)
    messages = sorted(set(plans))
    assert all(later - earlier >= 60 * SECOND for earlier, later in pairwise(messages))


def test_groups_do_not_wait_for_each_other() -> None:
    where, windows = router(RouteConfig(receivers=("a",)), group_by=("severity",)), Windows()
    (first,) = route(where, windows, RAISED, alert(), (), NOW)
    (second,) = route(where, windows, RAISED, alert(severity="info"), (), NOW + SECOND)
    assert second.due - first.due == SECOND


def test_many_groups_are_merged_into_one_message() -> None:
    pace = Pace()
    for n in range(MESSAGES - 1):
        assert not pace.merges(NOW + n)
        assert pace.wait(NOW + n) == 0
        pace.note(NOW + n)
    assert pace.merges(NOW + MESSAGES)
    pace.note(NOW + MESSAGES)
    assert pace.wait(NOW + SECOND) == MINUTE - SECOND
    assert pace.wait(NOW + MINUTE) == 0


# -- what is due


def row(cause: str = RAISED, state: str = PENDING, **fields: Any) -> Row:
    return Row("1", "a", cause, state, "", alert(**fields))


def verdict(given: Row, *silences: Silence, quiet: QuietHours = NEVER_QUIET) -> tuple[Any, ...]:
    (found,) = judge([given], silences, quiet, NOW)
    return found.state, found.due, found.silence


SILENT = Silence("s", Matcher.of({"source": ["risk"]}), NOW + 60)


def test_a_silence_holds_back_until_it_ends() -> None:
    assert verdict(row()) == (PENDING, NOW, None)
    assert verdict(row(), SILENT) == (SILENCED, NOW + 60, "s")
    assert verdict(row(source="feed"), SILENT) == (PENDING, NOW, None)
    # After its end, an alert is told of if it still waits for somebody.
    assert verdict(row(state=SILENCED)) == (PENDING, NOW, None)
    assert verdict(row(state=SILENCED, status="resolved")) == (SILENCED, None, None)
    assert verdict(row(state=SILENCED, status="acknowledged")) == (SILENCED, None, None)
    # That one is resolved, nobody is told later.
    assert verdict(row(RESOLVED, status="resolved"), SILENT) == (SILENCED, None, "s")


@pytest.mark.parametrize("cause", [REPEATED, ESCALATED])
def test_what_was_planned_is_dropped_when_somebody_has_seen_to_it(cause: str) -> None:
    assert verdict(row(cause)) == (PENDING, NOW, None)
    assert verdict(row(cause, status="acknowledged")) == (None, None, None)
    assert verdict(row(cause, status="resolved")) == (None, None, None)


@pytest.mark.parametrize("cause", CAUSES)
def test_nobody_is_told_of_an_alert_that_was_deleted(cause: str) -> None:
    assert verdict(Row("1", "a", cause, PENDING, "", None)) == (None, None, None)


def test_an_alert_is_repeated_while_it_waits_for_somebody() -> None:
    where = router(RouteConfig(receivers=("a",), repeat_interval=60))
    ((told, plan),) = repeats(where, "a", [alert(), alert(status="acknowledged")], NOW)
    assert (told["status"], plan.cause, plan.due) == ("active", REPEATED, NOW + 60 * SECOND)
    assert repeats(router(repeat_interval=0), "a", [alert()], NOW) == []


@given(st.integers(1, 10**6), st.floats(0, 1), st.none() | st.floats(0, 10**6))
def test_retries_are_ever_rarer_and_never_rare(
    attempts: int, chance: float, after: float | None
) -> None:
    pause = retry_at(attempts, NOW, chance, after) - NOW
    assert 4 * SECOND <= pause <= LONGEST_RETRY
    assert pause >= min((after or 0) * SECOND, LONGEST_RETRY) - 1
    assert retry_at(attempts + 1, NOW, chance, after) - NOW >= pause


# -- quiet hours

BERLIN = ZoneInfo("Europe/Berlin")


def until(config: QuietHoursConfig, text: str, severity: str = "error") -> str:
    at = to_micros(datetime.fromisoformat(text).replace(tzinfo=BERLIN))
    found = QuietHours(config).until(severity, at)
    return f"{from_micros(found).astimezone(BERLIN):%d %H:%M%z}"


def test_quiet_hours_over_midnight() -> None:
    night = QuietHoursConfig("22:00", "07:00", "Europe/Berlin")
    assert until(night, "2026-01-10T21:59") == "10 21:59+0100"
    assert until(night, "2026-01-10T22:00") == "11 07:00+0100"
    assert until(night, "2026-01-11T06:59") == "11 07:00+0100"
    assert until(night, "2026-01-11T07:00") == "11 07:00+0100"
    assert until(night, "2026-01-10T23:00", "critical") == "10 23:00+0100"
    loud = QuietHoursConfig("22:00", "07:00", "Europe/Berlin", exempt=())
    assert until(loud, "2026-01-10T23:00", "critical") == "11 07:00+0100"


def test_quiet_hours_in_the_day() -> None:
    lunch = QuietHoursConfig("12:00", "13:30", "Europe/Berlin")
    assert until(lunch, "2026-01-10T11:59") == "10 11:59+0100"
    assert until(lunch, "2026-01-10T12:30") == "10 13:30+0100"
    assert until(lunch, "2026-01-10T13:30") == "10 13:30+0100"


def test_quiet_hours_end_by_the_clock_on_the_days_on_which_it_changes() -> None:
    night = QuietHoursConfig("22:00", "07:00", "Europe/Berlin")
    assert until(night, "2026-03-28T23:00") == "29 07:00+0200"  # the night has 8 hours
    assert until(night, "2026-10-24T23:00") == "25 07:00+0100"  # and this one 10
    # The clock skips their end: they end with the change.
    assert until(QuietHoursConfig("22:00", "02:30", "Europe/Berlin"), "2026-03-29T01:00") == (
        "29 03:00+0200"
    )
    # The clock shows their end twice: they end the first time, and do not begin again.
    twice = QuietHoursConfig("22:00", "02:30", "Europe/Berlin")
    assert until(twice, "2026-10-25T02:29") == "25 02:30+0200"
    later = to_micros(datetime(2026, 10, 25, 2, 10, tzinfo=BERLIN, fold=1))
    assert QuietHours(twice).until("error", later) == later


@given(
    st.integers(0, 10 * 366 * 24 * 3600),
    st.times(),
    st.times(),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
)
def test_quiet_hours_end_within_a_day_and_are_over_then(
    seconds: int, start: Any, end: Any, zone: str
) -> None:
    if f"{start:%H:%M}" == f"{end:%H:%M}":
        return
    quiet = QuietHours(QuietHoursConfig(f"{start:%H:%M}", f"{end:%H:%M}", zone))
    moment = NOW + seconds * SECOND
    ends = quiet.until("error", moment)
    assert 0 <= ends - moment <= timedelta(hours=26) / timedelta(microseconds=1)
    assert quiet.until("error", ends) == ends
