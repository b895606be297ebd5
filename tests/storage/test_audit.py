"""The audit log: an entry is stored with its deed, and stays as it is."""

from __future__ import annotations

from typing import Any

import pytest

from alphapulse_api.config import RetentionConfig
from alphapulse_api.domain.deeds import Actor, Deed, changed_fields
from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.retention import forget
from alphapulse_api.storage.tables.audit import note
from tests.engines import at
from tests.records import alert
from tests.retention import add_entry

ANN = Actor("ann", "jwt", "operator", None, "192.0.2.1", "r1")


async def entries(store: Accessors, **query: Any) -> list[dict[str, Any]]:
    return list(await store.audit.get_audit(**query))


async def test_a_change_of_an_alert_is_noted_once(store: Accessors) -> None:
    await store.alerts.add_alert(alert("a1"))
    for _ in range(2):
        await store.alerts.try_to_acknowledge("a1", "bob", "mine", actor=ANN)
        await store.alerts.try_to_resolve("a1")
    resolved, acknowledged = await entries(store)
    assert acknowledged.pop("at") <= resolved["at"]
    assert acknowledged.pop("id") < resolved["id"]
    assert acknowledged == {
        "actor": "ann",
        "role": "operator",
        "auth": "jwt",
        "key_id": None,
        "address": "192.0.2.1",
        "request_id": "r1",
        "action": "alert.acknowledge",
        "target_kind": "alert",
        "target_id": "a1",
        "book": "main",
        "before": {"status": "active"},
        "after": {"status": "acknowledged", "acknowledged_by": "bob", "comments": "mine"},
        "count": 1,
    }
    assert (resolved["actor"], resolved["auth"]) == ("host", "system")
    assert resolved["before"] == {"status": "acknowledged"}
    assert resolved["after"] == {"status": "resolved"}


async def test_a_deed_that_fails_leaves_no_entry(store: Accessors, engine: Engine) -> None:
    await store.alerts.add_alert(alert("a1"))

    async def work(transaction: Transaction) -> None:
        await transaction.execute("UPDATE alerts SET status = 'resolved'")
        await note(transaction, Deed(ANN, "alert.resolve", "a1"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await engine.write(work)
    assert await entries(store) == []
    assert (await store.alerts.get_alert("a1"))["status"] == "active"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET actor = 'eve'",
        "UPDATE audit SET after = NULL, count = 2",
        "DELETE FROM audit",
        "INSERT INTO audit SELECT * FROM audit WHERE TRUE "
        "ON CONFLICT (id) DO UPDATE SET actor = 'eve'",
    ],
)
async def test_entries_are_never_changed(store: Accessors, engine: Engine, change: str) -> None:
    await store.audit.add(Deed(ANN, "alert.resolve", "a1"))
    before = await entries(store)
    with pytest.raises(Exception, match="rows of audit are never changed"):
        await engine.write(lambda transaction: transaction.execute(change))
    assert await entries(store) == before


def test_only_fields_that_differ_are_shown() -> None:
    assert changed_fields({"a": 1, "b": 2, "c": None}, {"a": 1, "b": 3, "d": 4}) == (
        {"b": 2, "d": None},
        {"b": 3, "d": 4},
    )


async def test_retention_deletes_old_entries_and_no_others(
    store: Accessors, engine: Engine
) -> None:
    for second in range(4):
        await add_entry(engine, at(second))
    assert await forget(engine, RetentionConfig(audit=10.0), at(12)) == {"audit": 2}
    assert [entry["at"] for entry in await entries(store)] == [at(3), at(2)]
    with pytest.raises(Exception, match="rows of audit are never changed"):
        await engine.write(lambda transaction: transaction.execute("DELETE FROM audit"))


async def test_entries_are_filtered_and_paged(store: Accessors) -> None:
    bob = Actor("bob", "api_key", "api", "k1", "2001:db8::1")
    for actor, action, target in (
        (ANN, "alert.acknowledge", "a1"),
        (ANN, "alert.resolve", "a1"),
        (bob, "book.create", "beta"),
        (bob, "alert.resolve", "a2"),
    ):
        await store.audit.add(Deed(actor, action, target))

    async def found(**query: Any) -> list[str]:
        return [f"{e['action']} {e['target_id']}" for e in await entries(store, **query)]

    every = ["alert.resolve a2", "book.create beta", "alert.resolve a1", "alert.acknowledge a1"]
    assert await found() == every
    assert await found(sort="asc") == every[::-1]
    assert await found(actor="ann") == every[2:]
    assert await found(target="a1", action=["alert.resolve", "book.create"]) == every[2:3]
    assert await found(address="2001:db8::1", action=["alert.resolve"]) == every[:1]
    newest, *_ = await entries(store)
    assert await found(end_time=newest["at"]) == every[1:]
    assert await found(start_time=newest["at"]) == every[:1]
    pages, cursor = [], None
    while True:
        page = await store.audit.get_audit(limit=3, cursor=cursor)
        pages.append(len(page))
        if (cursor := page.next_cursor) is None:
            break
    assert pages == [3, 1]
    with pytest.raises(ValidationProblem, match="cursor"):
        await store.audit.get_audit(actor="ann", cursor="MTIz")
