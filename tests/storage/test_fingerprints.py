"""Alerts with a fingerprint: raised again they count, and do not multiply."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from alphapulse_api.config import RetentionConfig
from alphapulse_api.domain.books import ALL
from alphapulse_api.domain.errors import Conflict
from alphapulse_api.domain.outbox import OutboxRow
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.retention import forget
from tests.engines import at, connected
from tests.postgres import Postgres
from tests.records import alert
from tests.retention import left


def raised(id_: str, seconds: float = 0, /, **fields: Any) -> dict[str, Any]:
    return alert(id_, seconds, **{"fingerprint": "f", "severity": "warning", **fields})


def told(engine: Engine) -> list[dict[str, Any]]:
    """The alerts that are published from now on."""
    seen: list[dict[str, Any]] = []

    def committed(rows: Sequence[OutboxRow]) -> None:
        seen.extend(dict(record) for row in rows if row.channel for record in row.records)

    engine.on_commit(committed)
    return seen


async def test_an_alert_counts_until_it_is_resolved(store: Accessors) -> None:
    first, new = await store.alerts.add_alert(raised("a1"))
    assert new
    assert (first["occurrences"], first["last_seen_at"], first["reopened_from"]) == (1, at(0), None)
    again, new = await store.alerts.add_alert(raised("a2", 5, title="another", severity="info"))
    assert not new
    assert again == {**first, "occurrences": 2, "last_seen_at": at(5)}
    worse, _ = await store.alerts.add_alert(raised("a3", 3, severity="critical"))
    assert worse == {**again, "occurrences": 3, "severity": "critical"}
    await store.alerts.acknowledge_alert("a1", "ann")
    still, _ = await store.alerts.add_alert(raised("a4", 9))
    assert (still["id"], still["occurrences"], still["status"]) == ("a1", 4, "acknowledged")
    await store.alerts.resolve_alert("a1")
    fresh, new = await store.alerts.add_alert(raised("a5", 20))
    assert new
    assert (fresh["id"], fresh["occurrences"], fresh["reopened_from"]) == ("a5", 1, "a1")
    assert fresh["status"] == "active"
    assert {a["id"] for a in await store.alerts.get_alerts()} == {"a1", "a5"}
    assert (await store.alerts.get_alert("a1"))["occurrences"] == 4


async def test_a_repeat_of_a_request_is_not_counted(store: Accessors) -> None:
    await store.alerts.add_alert(raised("a1"))
    await store.alerts.add_alert(raised("a2", 1, severity="critical"))
    for id_ in ("a1", "a2", "a1"):
        stored, new = await store.alerts.add_alert(raised(id_))
        assert (stored["id"], stored["occurrences"], new) == ("a1", 2, False)
    await store.alerts.resolve_alert("a1")
    for id_ in ("a1", "a2"):  # their answers were lost, and they come again late
        stored, new = await store.alerts.add_alert(raised(id_))
        assert (stored["id"], stored["status"], new) == ("a1", "resolved", False)
    for other in ({"title": "another"}, {"fingerprint": "g"}, {"fingerprint": None}):
        with pytest.raises(Conflict, match=next(iter(other))):
            await store.alerts.add_alert(raised("a1", **other))
    await store.alerts.add_alert(alert("plain"))
    with pytest.raises(Conflict, match="severity"):
        await store.alerts.add_alert(alert("plain", severity="critical"))


async def test_fingerprints_are_of_one_book(store: Accessors) -> None:
    await store.books.set_book("beta", {"mode": "paper"})
    for number, book in enumerate(("main", "beta", None, "beta")):
        await store.alerts.add_alert(raised(f"a{number}", book=book))
    found = await store.of(ALL).alerts.get_alerts()
    assert {a["book"]: a["occurrences"] for a in found} == {"main": 1, "beta": 2, None: 1}


async def test_a_storm_is_one_row_and_a_bounded_number_of_events(
    store: Accessors, engine: Engine
) -> None:
    events = told(engine)
    for part in range(0, 2000, 100):
        await asyncio.gather(
            *(store.alerts.add_alert(raised(f"a{n}", n / 1000)) for n in range(part, part + 100))
        )
    batch = [raised(f"b{n}", 3) for n in range(8000)]
    stored = await store.alerts.add_alerts(batch)
    assert {(a["id"], a["occurrences"], new) for a, new in stored} == {("a0", 10_000, False)}
    assert await left(engine, "alerts") == 1
    numbers = [event["occurrences"] for event in events]
    assert numbers == [*range(1, 11), *range(20, 101, 10), *range(200, 1001, 100), 2000, 10_000]


async def test_a_batch_tells_of_each_alert_once(store: Accessors, engine: Engine) -> None:
    await store.alerts.add_alert(raised("old", fingerprint="0"))
    events = told(engine)
    records = [
        raised("p", fingerprint=None),
        *(raised(f"x{n}", n, fingerprint=str(n % 3), severity="error") for n in range(9)),
        raised("x1", 1, fingerprint="1", severity="error"),  # twice in one batch
    ]
    stored = await store.alerts.add_alerts(records)
    assert [(a["id"], new) for a, new in stored] == [
        ("p", True), ("old", False), ("x1", True), ("x2", True),
        *(("old", False), ("x1", False), ("x2", False)) * 2,
        ("x1", False),
    ]  # fmt: skip
    expected = {"p": (1, "warning"), "old": (4, "error"), "x1": (3, "error"), "x2": (3, "error")}
    assert {a["id"]: (a["occurrences"], a["severity"]) for a in events} == expected
    assert len(events) == 4
    found = await store.alerts.get_alerts()
    assert {a["id"]: (a["occurrences"], a["severity"]) for a in found} == expected


async def test_what_counts_on_an_alert_that_is_refused_is_refused(store: Accessors) -> None:
    await store.books.set_book("beta", {"mode": "paper"})
    await store.books.set_book("beta", {"closed": True})
    conflicts: dict[int, Conflict] = {}
    records = [raised("a1", book="beta"), raised("ok"), raised("a2", book="beta")]
    await store.alerts.add_alerts(records, conflicts=conflicts)
    assert sorted(conflicts) == [0, 2]
    assert [a["id"] for a in await store.alerts.get_alerts()] == ["ok"]
    await store.books.set_book("beta", {"closed": False})
    stored, new = await store.alerts.add_alert(raised("a3", book="beta"))
    assert (stored["id"], stored["reopened_from"], new) == ("a3", None, True)


async def test_a_refused_record_does_not_lead_its_fingerprint_to_another_alert(
    store: Accessors,
) -> None:
    await store.alerts.add_alert(raised("a1"))
    conflicts: dict[int, Conflict] = {}
    await store.alerts.add_alerts([raised("a1", fingerprint="g")], conflicts=conflicts)
    assert sorted(conflicts) == [0]
    for id_, fingerprint in (("a2", "g"), ("a3", "f")):
        await store.alerts.add_alert(raised(id_, fingerprint=fingerprint))
    found = await store.alerts.get_alerts()
    assert {a["id"]: a["occurrences"] for a in found} == {"a1": 2, "a2": 1}


async def test_imported_alerts_do_not_count_on_others_and_are_continued(store: Accessors) -> None:
    past = [
        {**raised("h1"), "status": "resolved", "resolved_at": at(9), "last_seen_at": at(3)},
        {**raised("h2", 10), "last_seen_at": at(12), "occurrences": 7, "reopened_from": "h1"},
    ]
    for _ in range(2):
        await store.alerts.add_alerts(past, events=False)
    assert [a["id"] for a in await store.alerts.get_alerts()] == ["h2", "h1"]
    stored, new = await store.alerts.add_alert(raised("a1", 20))
    assert (stored["id"], stored["occurrences"], new) == ("h2", 8, False)
    await store.alerts.add_alerts([{**raised("h3", 15), "last_seen_at": at(15)}], events=False)
    assert (await store.alerts.add_alert(raised("a2", 21)))[0]["id"] == "h2"


async def test_a_fingerprint_goes_with_its_alert(store: Accessors, engine: Engine) -> None:
    await store.alerts.add_alert(raised("a1"))
    await store.alerts.resolve_alert("a1")
    await forget(engine, RetentionConfig(alerts=1.0), at(100))
    assert await left(engine, "alert_fingerprints") == 0
    stored, _ = await store.alerts.add_alert(raised("a2"))
    assert stored["reopened_from"] is None


async def test_two_processes_that_raise_one_alert_make_one(postgres: Postgres) -> None:
    url = await postgres.emptied()
    async with connected(url) as one, connected(url) as other:
        stores = [Accessors(engine, 300, {}) for engine in (one, other)]

        async def storm(number: int) -> None:
            for n in range(30):
                names = ["0", "1", "2"] if number else ["2", "1", "0"]
                records = [raised(f"{number}-{n}-{name}", n, fingerprint=name) for name in names]
                await stores[number].alerts.add_alerts(records)

        await asyncio.gather(storm(0), storm(1))
        found = await stores[0].alerts.get_alerts()
        assert sorted((a["fingerprint"], a["occurrences"]) for a in found) == [
            ("0", 60), ("1", 60), ("2", 60),
        ]  # fmt: skip


async def test_one_is_resolved_while_it_is_raised(postgres: Postgres) -> None:
    url = await postgres.emptied()
    async with connected(url) as one, connected(url) as other:
        raising, resolving = (Accessors(engine, 300, {}).alerts for engine in (one, other))
        for n in range(40):
            await raising.add_alert(raised(f"a{n}", n))
            open_ = [a["id"] for a in await resolving.get_alerts(unresolved=True)]
            assert len(open_) == 1
            await asyncio.gather(
                raising.add_alert(raised(f"b{n}", n)), resolving.resolve_alert(open_[0])
            )
        found = await raising.get_alerts(limit=1000)
        assert sum(a["occurrences"] for a in found) == 80
        assert sum(a["status"] != "resolved" for a in found) <= 1
