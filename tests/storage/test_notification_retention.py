"""Retention of notifications and silences."""

from __future__ import annotations

from alphapulse_api.config import RetentionConfig
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.retention import forget
from tests.engines import at
from tests.notifications import add_notifications, add_silence, notification


async def test_what_is_settled_goes_and_what_waits_stays(engine: Engine) -> None:
    store = Accessors(engine, 300.0, {})
    await add_notifications(
        engine,
        notification("old", 0, last_error="x" * 100),
        notification("waits", 0, state="pending", due_at=at(10_000)),
        notification("change", 0, receiver=""),
        notification("new", 90),
    )
    await add_silence(store, "over", starts_at=at(0), until=at(10))
    await add_silence(store, "lasts", starts_at=at(0))
    gone = await forget(engine, RetentionConfig(notifications=60.0), at(100))
    assert (gone["notifications"], gone["silences"]) == (1, 1)
    left = await store.notifications.get_notifications(sort="asc")
    assert [row["id"] for row in left] == ["waits", "new"]
    assert [row["id"] for row in await store.silences.get_silences()] == ["lasts"]
