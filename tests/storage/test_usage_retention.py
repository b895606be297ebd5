"""Retention of usage: reports go with the decisions of their time, sums with their whole day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from alphapulse_api.cache.memory import MemoryCache
from alphapulse_api.config import RetentionConfig
from alphapulse_api.domain.times import rfc3339
from alphapulse_api.log.memory import MemoryEventLog
from alphapulse_api.projections.usage import rebuild
from alphapulse_api.record.feed import Feed
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.retention import forget
from alphapulse_api.storage.steps import Steps
from tests.engines import relay_of
from tests.projections.test_usage import ALL

START = datetime(2026, 3, 1, 23, 50, tzinfo=UTC)
DAYS = RetentionConfig(decisions=timedelta(days=7).total_seconds())


@pytest.fixture
def feed(store: Accessors) -> Feed:
    return Feed(store, relay_of(store, MemoryCache(10**6), MemoryEventLog()))


@pytest.mark.parametrize("most", [1, 4096], ids=["small-steps", "usual-steps"])
async def test_usage_goes_with_the_decisions_of_its_time(
    engine: Engine, store: Accessors, feed: Feed, most: int
) -> None:
    await feed.open_book("beta", mode="paper")
    for book in ("main", "beta"):
        for number in range(4):  # two reports on each day
            at = START + timedelta(minutes=5 * number)
            for agent in ("a", "b"):
                await feed.record_usage({
                    "id": f"{agent}{number}", "book": book, "agent_id": agent, "calls": 1,
                    "timestamp": rfc3339(at),
                })  # fmt: skip
    at = START + timedelta(minutes=15, days=7)
    gone = await forget(engine, DAYS, at, Steps(engine, most))
    assert gone["usage"] == 12  # of three instants; the fourth is not older than seven days
    rows = await store.usage.get_usage("day")
    assert [(row["day"], row["calls"]) for row in rows] == [("2026-03-02", 4)]  # of main
    assert (await forget(engine, DAYS, at + timedelta(days=1)))["usage"] == 4
    assert await store.usage.get_usage("day") == []


@pytest.mark.parametrize("resource", ["signals", "decisions"])
async def test_a_rebuild_keeps_the_sums_of_records_that_are_gone(
    engine: Engine, feed: Feed, resource: str
) -> None:
    usage = [{"model": "m", "calls": 1}]
    for number, minutes in enumerate((0, 5, 10, 15, 1500)):  # on three days
        at = rfc3339(START + timedelta(minutes=minutes))
        signal = {"id": f"s{number}", "symbol": "A", "direction": "buy", "timestamp": at}
        await feed.record_signal("a", {**signal, "usage": usage})
        await feed.record_decision(
            {"id": f"d{number}", "agent_id": "a", "made_at": at, "usage": usage}
        )
    await forget(engine, RetentionConfig(**{resource: 60.0}), START + timedelta(minutes=12))
    before = await engine.fetch(ALL)
    assert await rebuild(engine) == 1
    assert await engine.fetch(ALL) == before
