"""The sums of usage, counted again from the records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from alphapulse_api.projections.usage import rebuild
from alphapulse_api.storage.tables.usage_sums import KEY, SUMS
from tests.conftest import Server

ALL = f"SELECT {', '.join((*KEY, *SUMS))} FROM usage_sums ORDER BY {', '.join(KEY)}"
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


async def test_a_rebuild_gives_the_same_sums(either: Server) -> None:
    feed, engine = either.feed, either.backend.engine
    for number in range(12):
        at = NOON + timedelta(hours=7 * number)
        entry: dict[str, Any] = {"model": "m", "input_tokens": number, "cost": f"0.{number}1"}
        usage = [{**entry, "currency": "USD", "duration": 0.1 * number}]
        await feed.record_signal(
            "bull", {"symbol": "AAPL", "direction": "buy", "timestamp": at, "usage": usage}
        )
        await feed.record_decision({"agent_id": "manager", "made_at": at, "usage": usage})
        await feed.record_usage({**usage[0], "agent_id": "bear", "timestamp": at})
    before = [tuple(row) for row in await engine.fetch(ALL)]
    assert len(before) > 12

    async def spoil(transaction: Any) -> None:
        await transaction.execute("DELETE FROM usage_sums WHERE agent_id = 'bear'")
        await transaction.execute("UPDATE usage_sums SET calls = '77'")

    await engine.write(spoil)
    assert await rebuild(engine) == 4
    assert [tuple(row) for row in await engine.fetch(ALL)] == before
