"""Metric points after the database went back in time beneath a running process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from tests.engines import Fresh, at, point

TABLES = ("metric_points", "metric_rollups", "series_spans", "series", "series_version")


@asynccontextmanager
async def restored_afterwards(engine: Engine) -> AsyncIterator[None]:
    """What is stored within the block is gone after it, as after the restore of a dump."""
    saved = {table: await engine.fetch(f"SELECT * FROM {table}") for table in TABLES}
    yield

    async def restore(transaction: Transaction) -> None:
        for table in TABLES:
            await transaction.execute(f"DELETE FROM {table}")
        for table, rows in reversed(saved.items()):
            for row in rows:
                marks = ", ".join(f"${n}" for n in range(1, len(row) + 1))
                await transaction.execute(f"INSERT INTO {table} VALUES ({marks})", *row)

    await engine.write(restore)


async def names(metrics: MetricsDataAccessor) -> dict[str, list[float]]:
    """The values of each series, by name."""
    found: dict[str, list[float]] = {}
    for row in await metrics.get_metrics("risk", at(0), at(1000), limit=10_000):
        found.setdefault(row["name"], []).append(row["value"])
    return found


async def test_points_of_a_series_that_a_restore_lost_are_stored(fresh: Fresh) -> None:
    async with fresh() as engine:
        metrics = MetricsDataAccessor(engine)
        await metrics.add_points([point("kept", 0, 1.0)])
        async with restored_afterwards(engine):
            await metrics.add_points([point("lost", 1, 2.0), point("kept", 1, 2.0)])
            assert await names(metrics) == {"kept": [1.0, 2.0], "lost": [2.0]}
        assert await names(metrics) == {"kept": [1.0]}
        await metrics.add_points([point("lost", 2, 3.0), point("kept", 2, 3.0)])
        assert await names(metrics) == {"kept": [1.0, 3.0], "lost": [3.0]}
        assert {s["name"]: s["count"] for s in await metrics.list_series()} == {
            "kept": 2,
            "lost": 1,
        }


async def test_points_never_land_under_a_series_that_was_given_a_lost_ones_number(
    fresh: Fresh,
) -> None:
    async with fresh() as engine:
        one, other = MetricsDataAccessor(engine), MetricsDataAccessor(engine)
        await one.add_points([point("kept", 0, 1.0)])
        async with restored_afterwards(engine):
            await one.add_points([point(name, 1, 1.0) for name in ("a", "b", "c")])
            assert await names(one) == {"kept": [1.0], "a": [1.0], "b": [1.0], "c": [1.0]}
        if engine.takes_arrays:  # PostgreSQL's sequence does not go back by itself
            back = "SELECT setval(pg_get_serial_sequence('series', 'id'), max(id)) FROM series"
            await engine.write(lambda t: t.fetch(back))
        # Another process creates others first: the numbers of a, b and c become those of x, b, a.
        for name in ("x", "b", "a"):
            await other.add_points([point(name, 2, 9.0)])
        await one.add_points([point(name, 3, 5.0) for name in ("a", "b", "c", "x")])
        stored = {"kept": [1.0], "x": [9.0, 5.0], "b": [9.0, 5.0], "a": [9.0, 5.0], "c": [5.0]}
        assert await names(one) == await names(other) == stored
        assert {row["name"] for row in await one.get_latest_metrics("risk")} == stored.keys()


async def test_a_reader_that_only_looks_sees_the_restored_series(fresh: Fresh) -> None:
    async with fresh() as engine:
        writer, reader = MetricsDataAccessor(engine), MetricsDataAccessor(engine)
        await writer.add_points([point("kept", 0, 1.0)])
        async with restored_afterwards(engine):
            await writer.add_points([point("lost", 1, 1.0)])
            assert await names(reader) == {"kept": [1.0], "lost": [1.0]}
        await writer.add_points([point("new", 1, 7.0)])
        # As many series, and as many changes, as the reader knew: only the token differs.
        assert await names(reader) == {"kept": [1.0], "new": [7.0]}
