"""Silences and rows of the log of notifications, put there directly."""

from __future__ import annotations

from typing import Any

from alphapulse_api.domain.deeds import HOST
from alphapulse_api.domain.times import now
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.tables.deliveries import COLUMNS
from tests.engines import at

LATER = at(10**9)


def notification(id_: str, seconds: float = 0, **fields: Any) -> dict[str, Any]:
    """A notification that was delivered, so many seconds after T0."""
    return {
        "id": id_, "receiver": "phone", "book": "main", "alert_id": "a1", "title": "Drawdown",
        "severity": "critical", "cause": "raised", "state": "delivered",
        "created_at": at(seconds), "due_at": None, "attempts": 1, "delivered_at": at(seconds + 1),
        "last_error": None, "message_id": None, "silence_id": None, **fields,
    }  # fmt: skip


async def add_notifications(engine: Engine, *records: dict[str, Any]) -> None:
    """Store rows of the log."""

    async def work(transaction: Transaction) -> None:
        for record in records:
            await transaction.execute(COLUMNS.insert, *COLUMNS.store(record))

    await engine.write(work)


async def add_silence(accessors: Accessors, id_: str, **fields: Any) -> dict[str, Any]:
    """Silence alerts from now on; those of the source `risk` unless matchers say otherwise."""
    silence = {
        "id": id_, "matchers": {"source": ["risk"]}, "comment": "", "created_by": "ann",
        "starts_at": now(), "until": LATER, **fields,
    }  # fmt: skip
    return (await accessors.silences.add_silence(silence, actor=HOST))[0]
