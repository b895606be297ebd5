"""Alerts that another system repeats, resolves and opens again; on either engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.outbox import pending
from alphapulse_api.storage.tables.alerts import AlertDataAccessor

START = datetime(2026, 1, 1, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def report(
    start: datetime = START, resolved_at: datetime | None = None, **fields: Any
) -> dict[str, Any]:
    """What a sender says of the alert "f1"."""
    base = {"id": "f1", "title": "Drawdown", "message": "", "severity": "critical", "tags": []}
    return {**base, "created_at": start, "resolved_at": resolved_at, "metadata": {}, **fields}


@pytest.fixture
def alerts(engine: Engine) -> AlertDataAccessor:
    return AlertDataAccessor(engine)


async def test_an_alert_fires_is_resolved_and_fires_again(alerts: AlertDataAccessor) -> None:
    ((fired, new),) = await alerts.report_alerts([report()])
    assert new
    assert (fired["status"], fired["acknowledged"]) == ("active", False)
    await alerts.acknowledge_alert("f1", "ann", "seen")
    ((resolved, changed),) = await alerts.report_alerts([report(resolved_at=START + HOUR)])
    assert changed
    assert (resolved["status"], resolved["resolved_at"]) == ("resolved", START + HOUR)
    assert resolved["acknowledged_by"] == "ann"
    ((again, changed),) = await alerts.report_alerts([report(START + 2 * HOUR)])
    assert changed
    assert (again["status"], again["acknowledged"], again["comments"]) == ("active", False, None)
    assert again == await alerts.get_alert("f1")
    assert len(await alerts.get_alerts()) == 1


async def test_repeats_and_reports_of_an_earlier_episode_change_nothing(
    alerts: AlertDataAccessor,
) -> None:
    later = START + 2 * HOUR
    ended = report(resolved_at=START + HOUR)
    for given in (report(), ended, ended, report(), report(later), report(later), ended, report()):
        ((alert, changed),) = await alerts.report_alerts([given])
        if not changed:
            assert alert == await alerts.get_alert("f1")
    assert (alert["status"], alert["created_at"]) == ("active", later)


async def test_a_person_who_resolved_an_episode_is_not_overruled(
    alerts: AlertDataAccessor,
) -> None:
    await alerts.report_alerts([report()])
    await alerts.resolve_alert("f1")
    ((alert, changed),) = await alerts.report_alerts([report(title="Drawdown 12 %")])
    assert not changed
    assert (alert["status"], alert["title"]) == ("resolved", "Drawdown")


async def test_a_firing_alert_takes_new_texts(alerts: AlertDataAccessor) -> None:
    await alerts.report_alerts([report()])
    await alerts.acknowledge_alert("f1", "ann")
    metadata = {"values": {"B": 44.25, "n": 10**30}}
    given = report(title="Drawdown 12 %", severity="warning", metadata=metadata)
    ((alert, changed),) = await alerts.report_alerts([given])
    assert changed
    assert (alert["title"], alert["severity"], alert["metadata"]) == (
        "Drawdown 12 %", "warning", metadata,
    )  # fmt: skip
    assert alert["status"] == "acknowledged"
    ((_, changed),) = await alerts.report_alerts([given])
    assert not changed


async def test_one_message_may_name_an_alert_twice(alerts: AlertDataAccessor) -> None:
    other = report(id="a0")
    ended = report(resolved_at=START + HOUR)
    answer = await alerts.report_alerts([report(), other, ended, other])
    assert [changed for _, changed in answer] == [True, True, True, False]
    assert (await alerts.get_alert("f1"))["status"] == "resolved"


async def test_each_change_has_an_event_that_is_further_along(
    alerts: AlertDataAccessor, engine: Engine
) -> None:
    stage = CHANNELS["alerts"].identity
    reports = (report(), report(resolved_at=START + HOUR), report(START + 2 * HOUR))
    stages, events = [], []
    for given in reports:
        ((alert, _),) = await alerts.report_alerts([given])
        stages.append(stage(alert)[1])
        events.append(len(await pending(engine, "alerts")))
    assert stages == sorted(set(stages))
    assert events == [1, 2, 3]
    await alerts.report_alerts([reports[-1]])
    assert len(await pending(engine, "alerts")) == 3


async def test_a_thousand_are_stored_together(alerts: AlertDataAccessor) -> None:
    reports = [report(id=f"f{n % 1000}") for n in range(1000)]
    await alerts.report_alerts(reports)
    ended = [{**given, "resolved_at": START + HOUR} for given in reversed(reports)]
    answer = await alerts.report_alerts(ended)
    assert all(changed and alert["status"] == "resolved" for alert, changed in answer)


async def test_many_reports_are_stored_as_one_is(alerts: AlertDataAccessor) -> None:
    """Each engine has a way of its own for many rows."""
    fields = {"metric_value": 1.5, "threshold": -0.25, "tags": ["a"], "metadata": {"b": [1]}}
    ends = [None if number % 2 else START + HOUR for number in range(250)]
    reports = [report(id=f"m{n}", resolved_at=end, **fields) for n, end in enumerate(ends)]
    await alerts.report_alerts(reports)
    await alerts.report_alerts([report(id="one", **fields)])
    one = await alerts.get_alert("one")
    assert (one["metric_value"], one["acknowledged"]) == (1.5, False)
    for number, end in enumerate(ends):
        stored = await alerts.get_alert(f"m{number}")
        same = {"id": "one"} | ({} if end is None else {"status": "active", "resolved_at": None})
        assert {**stored, **same} == one
    assert not any(changed for _, changed in await alerts.report_alerts(reports))
