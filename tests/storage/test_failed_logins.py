"""Failed logins: counted, and a few entries however many there are."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from alphapulse_api.domain.deeds import Actor
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.tables import failed_logins
from alphapulse_api.storage.tables.directory import AccountDataAccessor
from alphapulse_api.storage.tables.failed_logins import MOST
from tests.engines import T0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The present: one instant, which a test replaces."""
    instant = [T0.replace(second=0, microsecond=0)]
    monkeypatch.setattr(failed_logins, "now", lambda: instant[0])
    return instant


async def fail(engine: Engine, address: str, username: str | None = "ann") -> None:
    actor = Actor(None, "password", address=address, request_id=f"r-{address}")
    accounts = AccountDataAccessor(engine)
    await accounts.note_failed_login(actor, username, "wrong_password" if username else "unknown")


async def entries(store: Accessors) -> list[dict[str, Any]]:
    return list(await store.audit.get_audit(sort="asc", limit=1000))


async def test_those_of_a_minute_are_counted_by_address_and_user(
    engine: Engine, store: Accessors, clock: list[datetime]
) -> None:
    start = clock[0]
    for seconds in (0, 59, 60):
        clock[0] = start + timedelta(seconds=seconds)
        await fail(engine, "192.0.2.1")
        await fail(engine, "192.0.2.1", None)
        await fail(engine, "192.0.2.2")
    found = await entries(store)
    assert len(found) == 6
    assert {e["at"]: e["count"] for e in found} == {start: 2, start + timedelta(minutes=1): 1}
    assert {(e["address"], e["target_id"]) for e in found} == {
        ("192.0.2.1", "ann"), ("192.0.2.1", None), ("192.0.2.2", "ann"),
    }  # fmt: skip


async def test_a_flood_from_everywhere_fills_a_few_entries(
    engine: Engine, store: Accessors, clock: list[datetime]
) -> None:
    for number in range(MOST + 20):
        await fail(engine, f"192.0.2.{number}")
    await fail(engine, "192.0.2.3")  # one that has an entry is still counted there
    found = await entries(store)
    (rest,) = [e for e in found if e["address"] is None]
    assert len(found) == MOST + 1
    assert sum(e["count"] for e in found) == MOST + 21
    assert (rest["count"], rest["target_id"], rest["request_id"], rest["after"]) == (
        20, None, None, None,
    )  # fmt: skip
    assert {e["address"]: e["count"] for e in found}["192.0.2.3"] == 2
