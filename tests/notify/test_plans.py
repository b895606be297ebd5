"""The statements of the sender and of the log seek their rows by indexes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.sqlite.transaction import numbered
from alphapulse_api.storage.tables.delivery_queue import DeliveryQueue
from tests.engines import at, opened
from tests.notifications import add_notifications, notification
from tests.plans import Recorder
from tests.records import alert

# What the answer of a log without a filter, or a count of what waits, reads as a whole.
WHOLE = {"SCAN deliveries USING INDEX deliveries_by_time"}


async def test_no_statement_reads_all_rows(tmp_path: Path) -> None:
    async with opened(tmp_path / "test.db") as engine:
        recorder = Recorder(engine)
        store = Accessors(recorder, 300, {})  # type: ignore[arg-type]
        await store.alerts.add_alert(alert("a1"))
        await add_notifications(
            engine,
            *[notification(f"n{n}", n, state="pending", due_at=at(0)) for n in range(3)],
            notification("in a message", 9, message_id="msg_1", due_at=at(0)),
        )
        queue = DeliveryQueue(recorder, never)  # type: ignore[arg-type]
        recorder.asked.clear()
        await queue.changes()
        await queue.told([{"book": "main", "id": "a1"}])
        assert len(await queue.due("phone", 2**60)) == 3
        assert await queue.bound("phone", 2**60) is not None
        assert len(await queue.in_message("msg_1")) == 1
        assert await queue.next_due(["phone", "desk"])
        for filters in (
            {}, {"receiver": "phone"}, {"alert_id": "a1"}, {"state": ["failed"]},
            {"state": ["failed", "pending"]},
        ):  # fmt: skip
            for sort in ("asc", "desc"):
                await store.notifications.get_notifications(**filters, sort=sort, end_time=at(99))
        assert len(recorder.asked) >= 16
        for sql, args in recorder.asked:
            plan = [row[3] for row in await engine.fetch(f"EXPLAIN QUERY PLAN {sql}", *args)]
            scanned = [
                line
                for line in plan
                if line.startswith("SCAN") and "json_each" not in line and "part" not in line
            ]
            assert not [line for line in scanned if line not in WHOLE], (numbered(sql), plan)


async def never(_: Any) -> None:
    """Another process never sends."""
