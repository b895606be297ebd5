"""Rollups after retention: what they answer, what joins them, and how long they stay."""

from __future__ import annotations

from typing import Any

from alphapulse_api.config import RetentionConfig
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from alphapulse_api.storage.retention import forget
from tests.engines import at, point
from tests.storage.test_rollups import FUNCTIONS, answer


async def test_what_retention_took_is_answered_from_rollups_to_the_digit(engine: Engine) -> None:
    metrics = MetricsDataAccessor(engine)
    await metrics.add_points([point("a", 10 * n, 0.1 * n) for n in range(2000)])
    question = {"start_time": at(0), "end_time": at(20_000), "interval": "1h", "limit": 100}
    before = await answer(metrics, FUNCTIONS, **question)
    await forget(engine, RetentionConfig(metrics=60.0), at(15_000))
    assert len(await metrics.get_metrics("risk", at(0), at(20_000), limit=10_000)) < 600
    assert await answer(metrics, FUNCTIONS, **question) == before
    # Where points are needed, the answer is of those that are left.
    assert await metrics.get_metrics("risk", at(1), at(59), "count", interval="1m") == []
    (row,) = await metrics.get_metrics("risk", at(0), at(60), "p50,max", interval="1m")
    assert (row["p50"], row["max"]) == (None, 0.5)


async def test_points_that_are_in_no_rollup_yet_are_folded_before_they_are_deleted(
    engine: Engine,
) -> None:
    metrics = MetricsDataAccessor(engine)
    day = 86_400
    for n in range(9):
        await metrics.add_points([point("a", n * day / 2, float(n))])
    question = {"start_time": at(0), "end_time": at(5 * day), "interval": "1d", "limit": 100}
    before = await answer(metrics, FUNCTIONS, **question)
    assert len(before) == 5
    assert await engine.fetch("SELECT * FROM metric_rollups") == []
    await forget(engine, RetentionConfig(metrics=float(day)), at(4 * day))
    assert len(await metrics.get_metrics("risk", at(0), at(5 * day))) == 3
    assert await answer(metrics, FUNCTIONS, **question) == before
    await metrics.add_points([point("a", 4.5 * day, 9.0)])
    kept = RetentionConfig(metrics=float(day), rollups=2.0 * day)
    await forget(engine, kept, at(5 * day))
    (series,) = await metrics.list_series()
    assert (series["count"], series["first"], series["last"]) == (5, at(2.5 * day), at(4.5 * day))
    await forget(engine, kept, at(100 * day))
    assert await metrics.list_series() == []
    await metrics.add_points([point("a", 101 * day, 9.0)])
    assert [s["count"] for s in await metrics.list_series()] == [1]


async def test_late_points_after_retention_join_what_is_kept(engine: Engine) -> None:
    metrics = MetricsDataAccessor(engine)
    await metrics.add_points([point("a", n, float(n)) for n in range(120)])
    await forget(engine, RetentionConfig(metrics=60.0), at(3600))
    await metrics.add_points([point("a", 30.5, 1000.0)])
    wanted = [
        (61, sum(range(60)) + 1000.0, 1000.0, 0.0, 59.0),
        (60, sum(range(60, 120)), 119.0, 60.0, 119.0),
    ]

    async def figures(interval: str) -> list[tuple[Any, ...]]:
        rows = await metrics.get_metrics(
            "risk", at(0), at(3600), "count,sum,max,first,last", interval=interval
        )
        return [tuple(row[f] for f in ("count", "sum", "max", "first", "last")) for row in rows]

    assert await figures("1m") == wanted
    # Sent again, and then corrected: its old value is taken out of the sum.
    await metrics.add_points([point("a", 30.5, 1000.0)])
    assert await figures("1m") == wanted
    await metrics.add_points([point("a", 30.5, 2000.0)])
    assert (await figures("1m"))[0][:3] == (61, sum(range(60)) + 2000.0, 2000.0)
    assert (await figures("1h"))[0][:3] == (121, sum(range(120)) + 2000.0, 2000.0)
    # A point that is replaced in a minute that is whole does not disturb those that are not.
    await metrics.add_points([point("a", 3700, 1.0)])
    await metrics.add_points([point("a", 3700, 3.0)])
    rows = await metrics.get_metrics("risk", at(-43_200), at(43_200), "count,sum", interval="1d")
    assert [(row["count"], row["sum"]) for row in rows] == [(122, sum(range(120)) + 2003.0)]


async def test_rollups_go_by_whole_days_and_never_before_the_points(engine: Engine) -> None:
    metrics = MetricsDataAccessor(engine)
    day = 86_400
    await metrics.add_points([point("a", day * n, 1.0) for n in range(10)])
    assert "rollups" not in await forget(engine, RetentionConfig(rollups=day), at(9 * day))
    kept = RetentionConfig(metrics=4 * day, rollups=2 * day)
    gone = await forget(engine, kept, at(9 * day))
    assert gone == {"metrics": 5, "rollups": 30, "series": 0}
    assert (await forget(engine, kept, at(9 * day))) == {"metrics": 0, "rollups": 0, "series": 0}
    (series,) = await metrics.list_series()
    assert (series["count"], series["first"], series["last"]) == (5, at(5 * day), at(9 * day))
    rows = await metrics.get_metrics("risk", at(0), at(10 * day), "count", interval="1d")
    assert len(rows) == 5


async def test_a_null_that_days_begin_with_is_still_known_after_retention(engine: Engine) -> None:
    metrics = MetricsDataAccessor(engine)
    day = 86_400.0
    stored = [(0.0, 1.0), (1.4 * day, None), (1.5 * day, 1.0)]
    await metrics.add_points([point("a", when, value) for when, value in stored])
    kept = RetentionConfig(metrics=day, rollups=day)
    await forget(engine, kept, at(2.3 * day))
    await metrics.add_points([point("a", 1.4 * day, 2.0)])  # in the place of the null
    (series,) = await metrics.list_series()
    assert (series["count"], series["first"]) == (2, at(1.4 * day))
