"""Changes of alerts are noted for people in their transaction, if somebody sends messages."""

from __future__ import annotations

from typing import Any

import pytest

from alphapulse_api.domain.times import to_micros
from alphapulse_api.notify.notifier import present
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.retention.notifications import delete_unsent
from alphapulse_api.storage.steps import Steps
from alphapulse_api.storage.tables.notifying import KEPT, renew
from tests.engines import at
from tests.records import alert


@pytest.fixture
async def noting(engine: Engine) -> Accessors:
    """A store of whose alerts somebody is told."""
    await renew(engine, present())
    return Accessors(engine, 300.0, {})


async def causes(engine: Engine) -> list[tuple[Any, ...]]:
    sql = "SELECT book, alert_id, cause FROM deliveries WHERE receiver = '' ORDER BY id"
    return [tuple(row) for row in await engine.fetch(sql)]


async def test_nothing_is_noted_where_nobody_sends(engine: Engine) -> None:
    store = Accessors(engine, 300.0, {})
    await store.alerts.add_alert(alert("a1"))
    await store.alerts.add_alerts([alert("a2"), alert("a3")])
    await store.alerts.acknowledge_alert("a1", "ann")
    await store.alerts.resolve_alert("a1")
    assert await causes(engine) == []


async def test_each_change_is_noted_once(engine: Engine, noting: Accessors) -> None:
    alerts = noting.alerts
    for _ in range(2):
        await alerts.add_alert(alert("a1"))
        await alerts.add_alerts([alert("a2", book=None), alert("a1")])
        await alerts.acknowledge_alert("a1", "ann")
        await alerts.resolve_alert("a1")
        await alerts.acknowledge_alert("a1", "ann")
    assert await causes(engine) == [
        ("main", "a1", "raised"), ("", "a2", "raised"), ("main", "a1", "acknowledged"),
        ("main", "a1", "resolved"),
    ]  # fmt: skip


async def test_reports_of_other_systems_are_noted(engine: Engine, noting: Accessors) -> None:
    report = {**alert("a1", severity="warning"), "resolved_at": None}
    for change in (
        {}, {}, {"severity": "critical"}, {"message": "more"}, {"resolved_at": at(5)},
        {"created_at": at(9)}, {"created_at": at(20), "resolved_at": at(21)},
    ):  # fmt: skip
        await noting.alerts.report_alerts([{**report, **change}])
    found = [cause for _, _, cause in await causes(engine)]
    assert found == ["raised", "severity", "resolved", "raised"]


async def test_an_alert_that_is_raised_again_is_noted_when_its_severity_rises(
    engine: Engine, noting: Accessors
) -> None:
    for n, severity in enumerate(("error", "error", "warning", "critical", "critical")):
        await noting.alerts.add_alert(alert(f"a{n}", n, severity=severity, fingerprint="f"))
    assert await causes(engine) == [("main", "a0", "raised"), ("main", "a0", "severity")]


async def test_imported_history_is_not_noted(engine: Engine, noting: Accessors) -> None:
    await noting.alerts.add_alerts([alert("a1")], events=False)
    assert await causes(engine) == []


async def test_a_note_is_part_of_its_transaction(engine: Engine, noting: Accessors) -> None:
    with pytest.raises(Exception, match="exists already"):
        await noting.alerts.add_alerts([alert("a1"), alert("a2"), alert("a1", title="other")])
    assert await causes(engine) == []


async def test_nothing_is_noted_a_week_after_the_last_sender(engine: Engine) -> None:
    store = Accessors(engine, 300.0, {})
    await renew(engine, present() - KEPT + 60_000_000)
    await store.alerts.add_alert(alert("a1"))
    assert len(await causes(engine)) == 1
    await expire(engine)
    await store.alerts.add_alert(alert("a2"))
    assert len(await causes(engine)) == 1
    # What is left then is of no use to anybody.
    assert await delete_unsent(engine, Steps(engine), present()) == 1
    assert await causes(engine) == []


async def test_what_a_sender_will_route_is_not_deleted(engine: Engine, noting: Accessors) -> None:
    await noting.alerts.add_alert(alert("a1"))
    assert await delete_unsent(engine, Steps(engine), present()) == 0
    assert len(await causes(engine)) == 1


async def test_the_row_that_says_so_is_written_once_a_day(engine: Engine) -> None:
    now = to_micros(at(0))
    for later in (0, 3600 * 10**6, 25 * 3600 * 10**6):
        await renew(engine, now + later)
        ((until,),) = await engine.fetch("SELECT until FROM notifying")
        assert until == now + KEPT + (later if later > 24 * 3600 * 10**6 else 0)


async def expire(engine: Engine) -> None:
    async def work(transaction: Transaction) -> None:
        await transaction.execute("UPDATE notifying SET until = $1", present())

    await engine.write(work)
