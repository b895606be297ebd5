"""Limits of rollups: many points for percentiles, many series, and databases without rollups."""

from __future__ import annotations

import sqlite3
from typing import Any

import asyncpg
import pytest

from alphapulse_api.domain.aggregation import (
    grid_of,
)
from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.times import EPOCH, MICROSECOND, from_micros
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.metrics import series
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from alphapulse_api.storage.metrics.rollups import backfill, read
from alphapulse_api.storage.postgres import schema as postgres_schema
from alphapulse_api.storage.schema_versions import migrations
from alphapulse_api.storage.sqlite import schema as sqlite_schema
from tests.engines import at, connected, opened, point
from tests.postgres import Postgres
from tests.storage.test_rollups import FUNCTIONS, Stored, answer, expected


async def test_too_many_points_for_percentiles_are_refused_by_name(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "MAX_POINTS", 100)
    metrics = MetricsDataAccessor(engine)
    await metrics.add_points([point("a", n, float(n)) for n in range(300)])
    with pytest.raises(ValidationProblem) as refused:
        await metrics.get_metrics("risk", at(0), at(300), "avg,p95", interval="1m")
    (error,) = refused.value.errors
    assert error["parameter"] == "aggregation"
    assert all(part in error["detail"] for part in ("300", "100", "p95", "shorter range"))
    rows = await metrics.get_metrics("risk", at(0), at(60), "avg,p95", interval="1m")
    assert [row["p95"] for row in rows] == [56.05]
    with pytest.raises(ValidationProblem) as refused:
        await metrics.get_metrics("risk", at(0), at(300), interval="7s")
    (error,) = refused.value.errors
    assert error["parameter"] == "interval"
    assert "whole minutes" in error["detail"]
    assert len(await metrics.get_metrics("risk", at(0), at(300), interval="1m")) == 5


async def test_a_thousand_series_answer_in_one_question(engine: Engine) -> None:
    metrics = MetricsDataAccessor(engine)
    for n in range(3):
        await metrics.add_points([point(f"m{s}", 60 * n, float(s)) for s in range(1000)])
    rows: list[Any] = []
    page = await metrics.get_metrics("risk", at(0), at(180), interval="1m", limit=1000)
    rows += page
    while page.next_cursor:
        page = await metrics.get_metrics(
            "risk", at(0), at(180), interval="1m", limit=1000, cursor=page.next_cursor
        )
        rows += page
    assert len(rows) == 3000
    assert len(await metrics.get_latest_metrics("risk")) == 1000
    assert len(await metrics.get_metrics("risk", at(0), at(180), limit=10_000)) == 3000


async def test_a_database_of_schema_1_comes_to_the_same(
    tmp_path: Any, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "PIECE", 7)
    points = [
        (1 + n % 2, n * 25_000_000 - 10**9, None if n % 9 == 0 else 0.1 * n) for n in range(99)
    ]
    series = "INSERT INTO series (id, metric_type, name, labels) VALUES "
    series += "(1, 'risk', 'a', '{}'), (2, 'risk', 'b', '{}'), (3, 'risk', 'empty', '{}')"
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as old:
        old.execute(f"PRAGMA application_id = {sqlite_schema.APPLICATION_ID}")
        for statement in migrations(sqlite_schema.COLUMN_TYPES)[0].statements:
            old.execute(statement)
        old.execute(series)
        old.executemany("INSERT INTO metric_points VALUES (?, ?, ?)", points)
        old.execute("PRAGMA user_version = 1")
    old.close()
    url = await postgres.new()
    connection = await asyncpg.connect(url)
    for statement in migrations(postgres_schema.COLUMN_TYPES)[0].statements:
        await connection.execute(statement)
    await connection.execute(f"CREATE TABLE {postgres_schema.VERSION_TABLE} (version bigint)")
    await connection.execute(f"INSERT INTO {postgres_schema.VERSION_TABLE} VALUES (1)")
    await connection.execute(series)
    await connection.executemany(
        "INSERT INTO metric_points VALUES ($1, $2, $3)",
        [(number, EPOCH + t * MICROSECOND, value) for number, t, value in points],
    )
    await connection.close()
    stored: Stored = {}
    for number, t, value in points:
        stored.setdefault("ab"[number - 1], {})[t] = value
    async with opened(path) as left, connected(url) as right:
        for engine in (left, right):
            metrics = MetricsDataAccessor(engine)
            start, end = min(p[1] for p in points), max(p[1] for p in points) + 1
            for interval in ("7s", "1m", "1h", "1d"):
                got = await answer(
                    metrics, FUNCTIONS, start_time=from_micros(start), end_time=from_micros(end),
                    interval=interval, limit=1000,
                )  # fmt: skip
                assert got == expected(stored, start, end, grid_of(interval), FUNCTIONS)
            assert [s["count"] for s in await metrics.list_series()] == [50, 49]
            await metrics.add_points([point("empty", 0, 1.0)])
            assert [s["count"] for s in await metrics.list_series()] == [50, 49, 1]


async def test_questions_about_too_many_series_are_refused_by_name(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "ASKED", 20)
    for remembered in (100, 10):
        metrics = MetricsDataAccessor(engine)
        monkeypatch.setattr(metrics, "_series", series.SeriesCatalogue(engine, remembered))
        await metrics.add_points(
            [point(f"m{n % 3}", 0, 1.0, n=str(n), half=str(n % 2)) for n in range(42)]
        )
        for interval in ("1m", None):
            for name, half, parameter in ((None, None, "name"), (None, "1", "name")):
                labels = None if half is None else {"half": half}
                with pytest.raises(ValidationProblem) as refused:
                    await metrics.get_metrics(
                        "risk", at(0), at(60), interval=interval, name=name, labels=labels
                    )
                (error,) = refused.value.errors
                assert error["parameter"] == parameter
                assert "20 series" in error["detail"]
            rows = await metrics.get_metrics("risk", at(0), at(60), interval=interval, name="m1")
            assert len(rows) == 14
            labels = {"half": "1", "n": "7"}
            assert len(await metrics.get_metrics("risk", at(0), at(60), labels=labels)) == 1


@pytest.mark.parametrize("limit", [1, 7, 1000])
async def test_pages_of_many_series_hold_each_bucket_once_in_order(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(read, "SERIES", 5)
    metrics = MetricsDataAccessor(engine)
    await metrics.add_points([point(f"m{n:02}", 0, 1.0) for n in range(17)])
    await metrics.add_points([point(f"m{n:02}", 60, 2.0) for n in range(2, 17)])
    await metrics.add_points([point("m11", 3000, 3.0)])
    rows: list[Any] = []
    cursor = None
    while True:
        page = await metrics.get_metrics(
            "risk", at(0), at(3600), "sum", interval="1m", limit=limit, cursor=cursor
        )
        rows += [(row["timestamp"], row["name"]) for row in page]
        if (cursor := page.next_cursor) is None:
            break
    wanted = [(at(0), n) for n in range(17)] + [(at(60), n) for n in range(2, 17)]
    assert rows == [(when, f"m{n:02}") for when, n in wanted] + [(at(3000), "m11")]
