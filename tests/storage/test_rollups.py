"""Rollups against the points they are made of: on random writes, after failures and retention."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alphapulse_api.domain.aggregation import (
    MAX_BUCKETS,
    auto_interval,
    grid_of,
    time_zone,
)
from alphapulse_api.domain.buckets import Grid
from alphapulse_api.domain.times import from_micros, to_micros
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from alphapulse_api.storage.metrics.rollups import backfill, write
from alphapulse_api.storage.metrics.rollups.fold import DAY, HOUR, MINUTE
from tests import view
from tests.engines import T0, Fresh, at, connected, point
from tests.postgres import Postgres

FUNCTIONS = ("avg", "min", "max", "sum", "count", "first", "last")
INTERVALS = ("1s", "7s", "1m", "90s", "5m", "90m", "1h", "4h", "1d", "3d", "1w", "auto")
# Whose offsets are whole hours, quarters of them, and seconds; of the year 1 too: see `instants`.
ZONES = (None, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Monrovia")
NAMES = ("a", "b", "c")

Batch = list[tuple[str, int, float | None]]  # name, instant, value
Stored = dict[str, dict[int, float | None]]

values = st.one_of(
    st.none(),
    st.sampled_from([0.0, -0.0, 0.1, 5e-324, -1e-200, 1e16, 1e300, 1.7e308, -1.7e308]),
    st.floats(-1e6, 1e6, allow_nan=False),
)
# Around edges of every width, on them and beside them; long before the epoch, across it and today,
# and where clocks are changed.
instants = st.builds(
    lambda origin, width, n, beside: origin + n * width + beside,
    st.sampled_from([0, -400 * DAY, to_micros(T0), to_micros(T0) + 7 * DAY, 1_791_028_800_000_000]),
    st.sampled_from([1_000_000, MINUTE, 15 * MINUTE, HOUR, DAY]),
    st.integers(-3, 3),
    st.sampled_from([0, 0, -1, 1, 17_000_000]),
)
batches = st.lists(st.tuples(st.sampled_from(NAMES), instants, values), min_size=1, max_size=15)
questions = st.tuples(
    instants,
    instants,
    st.sampled_from(INTERVALS),
    st.sampled_from(ZONES),
    st.lists(st.sampled_from(FUNCTIONS), min_size=1, unique=True),
    st.integers(1, 9),
)


def points_of(batch: Batch) -> list[dict[str, Any]]:
    return [{**point(name, 0, value), "timestamp": from_micros(t)} for name, t, value in batch]


def figure(function: str, bucket: dict[int, float | None]) -> float | int | None:
    """The definition."""
    known = [value for _, value in sorted(bucket.items()) if value is not None]
    if function == "count":
        return len(known)
    if not known:
        return None
    total = sum(map(Fraction, known))
    try:
        rounded: float | None = float(total)
    except OverflowError:
        rounded = None
    if function == "sum":
        return rounded
    if function == "avg":
        return float(total / len(known))
    return {"min": min(known), "max": max(known), "first": known[0], "last": known[-1]}[function]


def expected(stored: Stored, start: int, end: int, grid: Grid, functions: Sequence[str]) -> Any:
    """Bucket's start, series and figures, in the answer's order."""
    buckets: dict[tuple[int, str], dict[int, float | None]] = {}
    key = grid.key(grid.edges(start, end, MAX_BUCKETS))
    for name, points in stored.items():
        for t, value in points.items():
            if start <= t < end:
                buckets.setdefault((key(t), name), {})[t] = value
    return [
        (start, name, [figure(f, bucket) for f in functions])
        for (start, name), bucket in sorted(buckets.items())
    ]


async def answer(metrics: MetricsDataAccessor, functions: Sequence[str], **question: Any) -> Any:
    """The same out of the accessor, from all pages, and the bucket's width."""
    rows: list[dict[str, Any]] = []
    page = await metrics.get_metrics("risk", aggregation=",".join(functions), **question)
    while True:
        assert len(page) <= question["limit"]
        rows += page
        if page.next_cursor is None:
            break
        page = await metrics.get_metrics(
            "risk", aggregation=",".join(functions), cursor=page.next_cursor, **question
        )
    one = len(functions) == 1
    return [
        (to_micros(row["timestamp"]), row["name"], [row["value" if one else f] for f in functions])
        for row in rows
    ]


async def rollups(engine: Engine) -> Any:
    """Every row of the rollups, and every span, once the tails are folded."""

    async def work(transaction: Transaction) -> None:
        numbers = [row[0] for row in await transaction.fetch("SELECT series_id FROM series_spans")]
        await write.settle(engine, transaction, numbers)
        # The order in which points were received is in no point.
        await transaction.execute("UPDATE series_spans SET latest_at = NULL")

    await engine.write(work)
    # The token of a series is random.
    spans = "series_id, points, first_at, last_at, whole_from, tail_at, unfolded"
    tables = (
        "SELECT * FROM metric_rollups ORDER BY series_id, width, bucket",
        f"SELECT {spans} FROM series_spans ORDER BY series_id",
    )
    return [[tuple(row) for row in await engine.fetch(sql)] for sql in tables]


async def made_anew(engine: Engine) -> Any:
    """The same, made from the points that are there."""

    async def work(transaction: Transaction) -> None:
        await transaction.execute("DELETE FROM metric_rollups")
        await transaction.execute("DELETE FROM series_spans")
        await backfill.roll_up_all(transaction)

    await engine.write(work)
    return await rollups(engine)


@settings(max_examples=50, suppress_health_check=list(HealthCheck))
@given(
    written=st.lists(batches, min_size=1, max_size=6),
    together=st.booleans(),
    tail=st.sampled_from([2, 4, 16, write.TAIL]),
    asked=st.lists(questions, min_size=1, max_size=6),
)
async def test_answers_are_those_of_the_points_to_the_last_digit(
    written: list[Batch], together: bool, tail: int, asked: list[Any], fresh: Fresh
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(write, "TAIL", tail)
        await _compare(written, together, asked, fresh)


async def _compare(written: list[Batch], together: bool, asked: list[Any], fresh: Fresh) -> None:
    """What is answered after these writes, with what the points say."""
    async with fresh() as engine:
        metrics = MetricsDataAccessor(engine)
        await metrics.add_points([point(name, 1e10, 0.0) for name in NAMES])  # their order
        if together:
            await asyncio.gather(*(metrics.add_points(points_of(batch)) for batch in written))
        else:
            for batch in written:
                await metrics.add_points(points_of(batch))
        stored: Stored = {}
        for batch in written:
            for name, t, value in batch:
                stored.setdefault(name, {})[t] = value
        for one, other, interval, timezone, functions, limit in asked:
            start, end = sorted((one, other))
            end += 1
            question = {"start_time": from_micros(start), "end_time": from_micros(end),
                        "interval": interval, "timezone": timezone, "limit": limit}  # fmt: skip
            zone = timezone and time_zone(timezone)
            text = auto_interval(start, end, 1000, zone) if interval == "auto" else interval
            grid = grid_of(text, zone)
            if grid.count(start, end) > MAX_BUCKETS:
                continue
            got = await answer(metrics, functions, **question)
            assert got == expected(stored, start, end, grid, functions)
        kept = await rollups(engine)
        assert kept == await made_anew(engine)


async def test_two_processes_that_write_one_series_lose_nothing(postgres: Postgres) -> None:
    url = await postgres.emptied()
    async with connected(url) as one, connected(url) as other:
        stores = [MetricsDataAccessor(engine) for engine in (one, other)]
        # Interleaved, in opposite orders, each point a call of its own.
        calls = [
            store.add_points([point(f"m{(n * step) % 7}", n + 0.5 * half, 0.1 * n)])
            for half, (store, step) in enumerate(zip(stores, (1, -1), strict=True))
            for n in range(150)
        ]
        await asyncio.gather(*calls)
        kept = await rollups(one)
        assert sum(row[1] for row in kept[1]) == 300
        assert kept == await made_anew(one)


async def test_a_transaction_that_fails_leaves_neither_points_nor_rollups(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = MetricsDataAccessor(engine)
    await metrics.add_points([point("a", 0, 1.0)])
    before = await rollups(engine)

    async def fails(*_: Any) -> None:
        raise RuntimeError("at the very end")

    with monkeypatch.context() as patched:
        patched.setattr(write, "TAIL", 2)
        patched.setattr(view.ROLLUP_CHANGE, fails)
        with pytest.raises(RuntimeError):
            await metrics.add_points([point("a", 1, 2.0), point("new", 1, 2.0)])
    assert await rollups(engine) == before
    assert len(await metrics.get_metrics("risk", at(-9), at(9))) == 1
    assert await metrics.add_points([point("a", 1, 2.0), point("new", 1, 2.0)]) == 2
    assert [s["count"] for s in await metrics.list_series()] == [2, 1]


async def test_a_bad_point_fails_its_caller_and_not_the_others(engine: Engine) -> None:
    metrics = MetricsDataAccessor(engine)
    bad: Any = {**point("bad", 0, 1.0), "value": object()}
    results = await asyncio.gather(
        *(metrics.add_points([p]) for p in (point("a", 0, 1.0), bad, point("b", 0, 1.0))),
        return_exceptions=True,
    )
    assert [isinstance(result, Exception) for result in results] == [False, True, False]
    assert [s["name"] for s in await metrics.list_series()] == ["a", "b"]


# -- retention ------------------------------------------------------------------------------------


# -- what rollups do not give ---------------------------------------------------------------------


# -- databases from before there were rollups -----------------------------------------------------
