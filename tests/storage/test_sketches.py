"""Sketches against the points that they are made of: late points, steps, retention, time zones."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from alphapulse_api.config import RetentionConfig
from alphapulse_api.domain.aggregation import MAX_BUCKETS, grid_of, time_zone
from alphapulse_api.domain.times import to_micros
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from alphapulse_api.storage.metrics.rollups import ranking
from alphapulse_api.storage.metrics.rollups.sketch import Sketch, percentiles_of
from alphapulse_api.storage.metrics.rollups.sketching import sketch_all
from alphapulse_api.storage.retention import forget
from alphapulse_api.storage.steps import Steps
from tests.engines import at, point
from tests.storage.test_plans import Recorder

HOUR = 3600
DAY = 24 * HOUR
SHARES = {"p50": 50, "p95": 95, "p99": 99}
RANKS = ("p50", "stddev", "p95", "p99")
EXTREME = (0.0, -0.0, 5e-324, -1e-200, 1e300, 1.7e308, -1.7e308)

Stored = dict[tuple[str, float], float | None]  # series and second: value


@pytest.fixture(autouse=True)
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer is of too many points to be exact."""
    monkeypatch.setattr(ranking, "EXACT_POINTS", 0)


def expected(stored: Stored, start: float, end: float, interval: str, zone: str | None) -> Any:
    """Start and series of each bucket, and its functions: by the definition, of all its values."""
    grid = grid_of(interval, time_zone(zone) if zone else None)
    first, last = to_micros(at(start)), to_micros(at(end))
    key = grid.key(grid.edges(first, last, MAX_BUCKETS))
    buckets: dict[tuple[int, str], list[float]] = {}
    for (name, second), value in stored.items():
        instant = to_micros(at(second))
        if first <= instant < last:
            found = buckets.setdefault((key(instant), name), [])
            if value is not None:
                found.append(value)
    return [(*bucket, *_figures(values)) for bucket, values in sorted(buckets.items())]


def _figures(values: Sequence[float]) -> tuple[float | None, ...]:
    if not values:
        return (None,) * len(RANKS)
    sketch = Sketch()
    sketch.add(values)
    found = percentiles_of([sketch.stored()], SHARES.values(), min(values), max(values))
    assert found is not None
    ranks = dict(zip(SHARES, found, strict=True))
    deviation = None
    if len(values) > 1:
        try:
            deviation = statistics.stdev(values)
        except OverflowError:
            deviation = None
    return ranks["p50"], deviation, ranks["p95"], ranks["p99"]


async def answer(
    metrics: MetricsDataAccessor, start: float, end: float, interval: str, zone: str | None
) -> Any:
    rows: list[Any] = []
    cursor = None
    while True:
        page = await metrics.get_metrics(
            "risk", at(start), at(end), ",".join(RANKS), interval=interval, timezone=zone,
            limit=7, cursor=cursor,
        )  # fmt: skip
        assert page.approximate == ("p50", "p95", "p99") or not page
        rows += page
        if (cursor := page.next_cursor) is None:
            break
    # Series of one start come by age.
    return sorted(
        (
            (to_micros(row["timestamp"]), row["name"], *(row[name] for name in RANKS))
            for row in rows
        ),
        key=lambda row: row[:2],
    )


@pytest.mark.parametrize("seed", range(2))
async def test_sketches_answer_what_the_points_say(engine: Engine, seed: int) -> None:
    rng = Random(seed)
    metrics = MetricsDataAccessor(engine)
    stored: Stored = {}
    for turn in range(6):
        batch: Stored = {}
        begin = rng.choice((0, turn * DAY, (turn - 3) * DAY + 1800))  # often late
        for _ in range(60):
            second = begin + rng.choice((rng.randrange(2 * DAY), HOUR * rng.randrange(48)))
            value = rng.choice((None, rng.gauss(0, 100), rng.lognormvariate(3, 1)))
            if rng.random() < 0.1:
                value = rng.choice(EXTREME)
            batch[rng.choice("ab"), second] = value
        points = [point(name, second, value) for (name, second), value in batch.items()]
        await metrics.add_points(points)
        stored.update(batch)
        if turn % 3:
            now = to_micros(at(turn * DAY + rng.randrange(DAY)))
            await sketch_all(engine, now, Steps(engine, rng.choice((64, 64 * 40, 2**20))))
        for interval, zone in (
            ("1h", None), ("5h", "America/New_York"), ("1d", None), ("1d", "America/New_York"),
            ("1w", "America/New_York"), ("1d", "Asia/Kathmandu"), ("30m", None),
        ):  # fmt: skip
            question = (
                rng.choice((-3 * DAY, 1234.5)),
                rng.choice((20 * DAY, 5 * DAY + 77)),
                interval,
                zone,
            )
            assert await answer(metrics, *question) == expected(stored, *question), question
    assert not await sketch_all(engine, to_micros(at(1000 * DAY))) > 2
    assert await sketch_all(engine, to_micros(at(1000 * DAY))) == 0


async def test_percentiles_and_deviations_outlive_the_points(engine: Engine) -> None:
    metrics = MetricsDataAccessor(engine)
    rng = Random(1)
    stored: Stored = {("a", 600.0 * n): rng.gauss(0, 9) for n in range(6 * 24 * 5)}
    await metrics.add_points([point(name, s, value) for (name, s), value in stored.items()])
    # No sketch was made yet; retention makes them of what it deletes, within an hour too.
    await forget(engine, RetentionConfig(metrics=DAY), at(4 * DAY + 1320))
    for interval in ("1h", "1d"):
        question = 0, 5 * DAY, interval, None
        assert await answer(metrics, *question) == expected(stored, *question)
    # Late points join what is left of their hour, and replace each other there.
    for value in (1000.0, -1000.0, None):
        stored["a", 90.0] = value
        await metrics.add_points([point("a", 90, value)])
        assert await answer(metrics, *question) == expected(stored, *question)
    await forget(engine, RetentionConfig(metrics=DAY, rollups=2 * DAY), at(5 * DAY))
    kept = {key: value for key, value in stored.items() if key[1] >= 2.5 * DAY}
    # Rollups go by whole days of UTC; the first instant is noon.
    assert await answer(metrics, *question) == expected(kept, *question)
    await forget(engine, RetentionConfig(metrics=DAY, rollups=DAY), at(99 * DAY))
    assert await engine.fetch("SELECT * FROM metric_sketches") == []


async def test_few_points_are_exact_until_retention_deletes_some(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "EXACT_POINTS", 100)
    metrics = MetricsDataAccessor(engine)
    await metrics.add_points([point("a", 60 * n, float(n)) for n in range(100)])
    question = "risk", at(0), at(2 * HOUR), "p50"
    page = await metrics.get_metrics(*question, interval="1d")
    assert (page.approximate, page[0]["value"]) == ((), 49.5)
    await forget(engine, RetentionConfig(metrics=60.0), at(HOUR))
    page = await metrics.get_metrics(*question, interval="1d")
    assert page.approximate == ("p50",)
    assert page[0]["value"] == pytest.approx(49.5, rel=0.01)


async def test_a_long_range_is_answered_without_its_points(engine: Engine) -> None:
    metrics = MetricsDataAccessor(engine)
    await metrics.add_points([point("a", 1800 * n, float(n % 100)) for n in range(48 * 20)])
    await sketch_all(engine, to_micros(at(20 * DAY)))
    recorder: Any = Recorder(engine)
    asked = MetricsDataAccessor(recorder)
    for interval, zone in (("1h", None), ("1d", None), ("1d", "America/New_York"), ("1w", None)):
        recorder.asked.clear()
        page = await asked.get_metrics(
            "risk", at(0), at(20 * DAY), "p95", interval=interval, timezone=zone
        )
        assert len(page) >= 3
        read = 0
        for sql, args in recorder.asked:
            if sql.startswith("SELECT series_id, timestamp, value FROM metric_points"):
                read += len(await engine.fetch(sql, *args))
        assert read <= 4, (interval, zone)  # the hours at both ends
