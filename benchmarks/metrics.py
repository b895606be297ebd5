"""Entry `metrics`: the cost of a chart as the history grows, and the cost of rollups to a write.

Each database has one series with a point every ten seconds. The benchmark queries its last day and
its whole history with `interval=auto`, so that both give some hundred buckets. It computes the same
buckets by SQL over the points, as without rollups. Then it stores points in batches of 1000, by the
accessor and by the driver alone into the table of points.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from alphapulse_api.domain.aggregation import auto_interval, parse_interval
from alphapulse_api.domain.times import to_micros
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from alphapulse_api.storage.metrics.rollups.backfill import roll_up_all
from alphapulse_api.storage.postgres.connection import prepare
from alphapulse_api.storage.postgres.engine import PostgresEngine
from alphapulse_api.storage.sqlite.engine import SQLiteEngine
from tests.postgres import Postgres, server

from .report import print_environment, print_table

START = datetime(2023, 1, 1, tzinfo=UTC)
EVERY = timedelta(seconds=10)
DAY = timedelta(days=1)
BATCH = 1000
ENGINES = ("SQLite", "PostgreSQL")
CHART_AIM = 1.5  # of the time that the smallest database takes
INGEST_AIM = 0.25  # of the driver's rate
# What numbers the points (from 0), and the instant of one: all else is the same SQL.
NUMBERS = {
    "SQLite": (
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $2)",
        "$1 + i * 10000000",
    ),
    "PostgreSQL": (
        "WITH n (i) AS (SELECT generate_series(0, CAST($2 AS bigint) - 1))",
        "CAST($1 AS timestamptz) + i * interval '10 seconds'",
    ),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--quick", action="store_true", help="10^4 and 10^5 points, fewer times")
    parser.add_argument("--large", action="store_true", help="10^7 points too")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    sizes = [10**4, 10**5] if arguments.quick else [10**4, 10**5, 10**6]
    sizes += [10**7] * arguments.large
    print_environment("asyncpg")
    asyncio.run(_run(sizes, 5 if arguments.quick else 1))


async def _run(sizes: Sequence[int], divisor: int) -> None:
    with tempfile.TemporaryDirectory() as folder, server("") as postgres:
        for name in ENGINES:
            print(f"\n{name}: a chart of one series, p50\n")
            rows: list[list[str]] = []
            first: dict[str, float] = {}
            for size in sizes:
                async with _opened(name, Path(folder), postgres) as (engine, _):
                    await _fill(name, engine, size)
                    rows += await _charts(engine, size, 50 // divisor, first)
            header = ("points", "chart", "buckets", "ours ms", "to smallest", "aim", "raw SQL ms")
            print_table(header, rows)
            print(f"\n{name}: points a second in batches of {BATCH}\n")
            rows = [
                await _ingest(name, Path(folder), postgres, series, 100 // divisor)
                for series in (1, 20, 1000)
            ]
            print_table(("a batch is of", "ours", "driver", "ratio", "aim"), rows)


@asynccontextmanager
async def _opened(name: str, folder: Path, postgres: Postgres) -> AsyncIterator[tuple[Engine, str]]:
    """An empty database, and where it is."""
    place = str(folder / f"{time.monotonic_ns()}.db") if name == "SQLite" else await postgres.new()
    engine: Engine = (
        SQLiteEngine(place) if name == "SQLite" else PostgresEngine(place, statement_timeout=600)
    )
    await engine.open()
    try:
        yield engine, place
    finally:
        await engine.close()


async def _fill(name: str, engine: Engine, size: int) -> None:
    """Store one series with `size` points, rolled up as a migration does."""
    metrics = MetricsDataAccessor(engine)
    await metrics.add_points([_point("m0", 0, 0.0)])
    ((number,),) = await engine.fetch("SELECT id FROM series")
    numbered, instant = NUMBERS[name]

    async def work(transaction: Transaction) -> None:
        for table in ("metric_points", "metric_rollups", "series_spans"):
            await transaction.execute(f"DELETE FROM {table}")
        await transaction.execute(
            f"{numbered} INSERT INTO metric_points (series_id, timestamp, value) "
            f"SELECT {number}, {instant}, (i * 7919 % 10007) * 0.01 FROM n",
            to_micros(START),
            size,
        )
        if name == "PostgreSQL":
            await transaction.fetch("ANALYZE")  # as a migration does, before it rolls up
        await roll_up_all(transaction)
        if name == "PostgreSQL":
            await transaction.fetch("ANALYZE")

    await engine.write(work)


async def _charts(
    engine: Engine, size: int, times: int, first: dict[str, float]
) -> list[list[str]]:
    metrics = MetricsDataAccessor(engine)
    end = START + size * EVERY
    rows = []
    for chart, start in (("last day", end - DAY), ("all", START)):
        width = parse_interval(auto_interval(to_micros(start), to_micros(end), 1000))
        bucket = engine.bucket("timestamp", "$1")

        async def ours(start: datetime = start) -> Any:
            return await metrics.get_metrics("risk", start, end, "avg", interval="auto")

        async def raw(start: datetime = start, bucket: str = bucket, width: int = width) -> Any:
            return await engine.fetch(
                f"SELECT bucket, avg(value) FROM (SELECT {bucket} AS bucket, value "
                "FROM metric_points WHERE series_id = (SELECT min(id) FROM series) "
                "AND timestamp >= $2 AND timestamp < $3) p GROUP BY bucket ORDER BY bucket",
                width, to_micros(start), to_micros(end),
            )  # fmt: skip

        buckets = await ours()
        assert len(buckets) == len(await raw())
        took = await _median(ours, times)
        smallest = first.setdefault(chart, took)
        without = await _median(raw, max(3, min(times, 10**7 // size)))
        ratio = took / smallest
        judged = f"{CHART_AIM:g}: {'met' if ratio <= CHART_AIM else 'MISSED'}"
        rows.append(
            [f"{size:,}", chart, f"{len(buckets)}", f"{took * 1e3:.2f}", f"{ratio:.2f}", judged,
             f"{without * 1e3:.2f}"]
        )  # fmt: skip
    return rows


async def _median(call: Callable[[], Awaitable[Any]], times: int) -> float:
    took = []
    for _ in range(times):
        started = time.perf_counter()
        await call()
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def _point(name: str, seconds: float, value: float) -> dict[str, Any]:
    return {"metric_type": "risk", "name": name, "timestamp": START + timedelta(seconds=seconds),
            "value": value, "labels": {}}  # fmt: skip


async def _ingest(
    name: str, folder: Path, postgres: Postgres, series: int, times: int
) -> list[str]:
    """Store batches of the newest points of `series` series, one a second in each."""
    each = BATCH // series
    batches = [
        [_point(f"m{s}", n * each + i, 0.01 * i + s) for i in range(each) for s in range(series)]
        for n in range(times)
    ]
    async with _opened(name, folder, postgres) as (engine, _):
        metrics = MetricsDataAccessor(engine)
        await metrics.add_points(batches[0])
        gc.collect()
        started = time.perf_counter()
        for batch in batches[1:]:
            await metrics.add_points(batch)
        ours = time.perf_counter() - started
    async with _opened(name, folder, postgres) as (engine, place):
        await MetricsDataAccessor(engine).add_points(batches[0])
        numbers = {row[1]: row[0] for row in await engine.fetch("SELECT id, name FROM series")}
        rows = [
            [(numbers[p["name"]], to_micros(p["timestamp"]), p["value"]) for p in batch]
            for batch in batches[1:]
        ]
        gc.collect()
        alone = await (_sqlite(place, rows) if name == "SQLite" else _postgres(place, rows))
    points = BATCH * (times - 1)
    ratio = alone / ours
    judged = f"{INGEST_AIM:g}: {'met' if ratio >= INGEST_AIM else 'MISSED'}"
    return [f"{series} series", f"{points / ours:,.0f}", f"{points / alone:,.0f}", f"{ratio:.2f}",
            judged]  # fmt: skip


async def _sqlite(place: str, batches: Sequence[Sequence[Any]]) -> float:
    connection = sqlite3.connect(place, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    started = time.perf_counter()
    for batch in batches:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO metric_points VALUES (?, ?, ?)", batch)
        connection.execute("COMMIT")
    took = time.perf_counter() - started
    connection.close()
    return took


async def _postgres(place: str, batches: Sequence[Sequence[Any]]) -> float:
    connection = await asyncpg.connect(place)
    await prepare(connection)
    started = time.perf_counter()
    for batch in batches:
        async with connection.transaction():
            await connection.executemany("INSERT INTO metric_points VALUES ($1, $2, $3)", batch)
    took = time.perf_counter() - started
    await connection.close()
    return took
