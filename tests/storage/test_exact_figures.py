"""Averages, deviations and percentiles: the digits that the definitions give, on both engines."""

from __future__ import annotations

import asyncio
import gc
import math
import random
import statistics
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alphapulse_api.domain.aggregation import FUNCTIONS
from alphapulse_api.storage import threads
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from alphapulse_api.storage.metrics.rollups import ranking, source
from tests.asking import Answer, ask
from tests.conftest import Server
from tests.engines import Fresh, at, point

SHARES = {"p50": 50, "p95": 95, "p99": 99}


@pytest.fixture
def metrics(engine: Engine) -> MetricsDataAccessor:
    return MetricsDataAccessor(engine)


async def figures(metrics: MetricsDataAccessor, values: Sequence[float | None]) -> dict[str, Any]:
    """Every function over these values, a tenth of a second apart, in one bucket."""
    await metrics.add_points([point("x", n / 10, value) for n, value in enumerate(values)])
    question = {"start_time": at(0), "end_time": at(43_200), "interval": "1d"}
    (row,) = await metrics.get_metrics("risk", aggregation=",".join(FUNCTIONS), **question)
    for name in FUNCTIONS:
        (alone,) = await metrics.get_metrics("risk", aggregation=name, **question)
        assert alone["value"] == row[name], name
    return row


@pytest.mark.parametrize(
    "values",
    [[0.1] * 3, [1e17 / 3] * 1000, [1e9 + 1e-3] * 70, [-1.7e308] * 5, [5e-324] * 9, [0.0] * 4],
)
async def test_a_constant_series_has_no_deviation_and_is_its_own_average(
    metrics: MetricsDataAccessor, values: list[float]
) -> None:
    row = await figures(metrics, values)
    assert row["stddev"] == 0.0
    for name in ("avg", "min", "max", "first", "last", *SHARES):
        assert row[name] == values[0], name


@pytest.mark.parametrize(
    "values",
    [
        [1e9 - 1e-3, 1e9, 1e9 + 1e-3],
        [1e150, 2e150, -1e150],
        [1e-146, 2e-146, 4e-146],
        [5e-324, 1e-323, 2.5e-323],
        [1e308, -1e308, 5e-324],
        [1e16, 1.0, 1.0, -1e16],
        [67123.5 + n * 0.01 for n in range(300)],
        [1.0, None, 3.0],
    ],
)
async def test_deviations_have_the_digits_of_exact_arithmetic(
    metrics: MetricsDataAccessor, values: list[float | None]
) -> None:
    row = await figures(metrics, values)
    known = [value for value in values if value is not None]
    assert row["stddev"] == statistics.stdev(known)
    assert row["avg"] == float(sum(map(Fraction, known)) / len(known))
    assert row["count"] == len(known)


async def test_what_exceeds_doubles_is_null_and_what_does_not_is_returned(
    metrics: MetricsDataAccessor,
) -> None:
    row = await figures(metrics, [-1.7e308, 1.7e308])
    assert (row["p50"], row["avg"], row["sum"]) == (0.0, 0.0, 0.0)
    assert row["stddev"] is None  # 2.4e308
    assert (row["min"], row["max"]) == (-1.7e308, 1.7e308)
    assert row["p99"] == pytest.approx(1.7e308 * 0.98)


async def test_zero_has_no_sign(metrics: MetricsDataAccessor) -> None:
    row = await figures(metrics, [-5e-324, 0.0, 0.0, 0.0])
    for name in ("avg", "p50", "p95"):
        assert math.copysign(1.0, row[name]) == 1.0, name
    assert row["avg"] == 0.0


async def test_one_value_has_no_deviation_but_percentiles(metrics: MetricsDataAccessor) -> None:
    row = await figures(metrics, [None, 7.5])
    assert row["stddev"] is None
    assert {row[name] for name in SHARES} == {7.5}


doubles = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-1e6, 1e6),
    st.sampled_from([1e9, 1e9 + 1e-3, 1e9 - 1e-3, 0.1, 1e150, 1e-146, 1.7e308, -1.7e308, 5e-324]),
).map(lambda value: value + 0.0)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(values=st.lists(doubles, min_size=1, max_size=50), piece=st.integers(1, 60))
async def test_figures_are_those_of_fractions_statistics_and_numpy(
    values: list[float], piece: int, fresh: Fresh
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(source, "PIECE", piece)  # however the points come
        async with fresh() as engine:
            row = await figures(MetricsDataAccessor(engine), values)
    total = sum(map(Fraction, values))
    assert row["avg"] == float(total / len(values))
    try:
        assert row["sum"] == float(total)
    except OverflowError:
        assert row["sum"] is None
    if len(values) > 1:
        try:
            assert row["stddev"] == statistics.stdev(values)
        except OverflowError:
            assert row["stddev"] is None
    half = [value / 4 for value in values]  # numpy's own steps overflow
    for name, share in SHARES.items():
        wanted = float(np.percentile(half, share)) * 4
        size = max(map(abs, values))
        assert row[name] == pytest.approx(wanted, rel=1e-9, abs=size * 1e-14 + 1e-322), name


async def test_many_points_of_many_series_come_in_pieces_and_add_up(
    metrics: MetricsDataAccessor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "PIECE", 40)
    monkeypatch.setattr(threads, "ON_LOOP", 10)
    rng = random.Random(1)
    # One series larger than a piece, some that share one, one whose points are all in one second.
    values = {f"m{s}": [rng.gauss(100, 1) for _ in range(5 + 60 * (s == 3))] for s in range(9)}
    for name, series in values.items():
        every = 0.001 if name == "m5" else 20
        await metrics.add_points([point(name, n * every, v) for n, v in enumerate(series)])
    for interval, buckets in (("1d", 9), ("7s", 85)):
        rows: list[Any] = []
        cursor = None
        while True:
            page = await metrics.get_metrics(
                "risk", at(0), at(3600), "stddev,p50,avg,count", interval=interval, limit=20,
                cursor=cursor,
            )  # fmt: skip
            rows += page
            if (cursor := page.next_cursor) is None:
                break
        assert sum(row["count"] for row in rows) == 105
        assert interval == "1d" or len(rows) > buckets
        if interval == "1d":
            for row in rows:
                series = values[row["name"]]
                assert row["stddev"] == statistics.stdev(series)
                assert row["p50"] == statistics.median(series)


# -- more values than a sort may hold -------------------------------------------------------------


async def test_percentiles_of_more_values_are_within_one_percent_and_marked(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "EXACT_POINTS", 3000)
    writer = await server.login("admin")
    rng = random.Random(2)
    values = [rng.lognormvariate(0, 2) * rng.choice((1, 1, 1, -1)) for _ in range(3001)]
    points = [{**point("x", n, v), "timestamp": at(n).isoformat()} for n, v in enumerate(values)]

    async def asked(**params: str) -> Answer:
        question = {"start_time": at(0).isoformat(), "end_time": at(3600).isoformat(),
                    "interval": "4h", "aggregation": "p50,stddev,p95,p99,avg"}  # fmt: skip
        return await ask(server, "GET", "/api/metrics/risk", writer, params={**question, **params})

    await ask(server, "POST", "/api/metrics", writer, json=points[:3000])
    exact = await asked(end_time=at(3599).isoformat())
    assert "X-Approximate" not in exact.headers
    assert exact.json[0]["p95"] == pytest.approx(np.percentile(values[:3000], 95), rel=1e-12)
    await ask(server, "POST", "/api/metrics", writer, json=points[3000:])
    for form in ("json", "csv"):
        answer = await asked(format=form)
        assert answer.headers["X-Approximate"] == "p50, p95, p99"
    again = await asked()
    assert (again.headers["X-Cache"], again.headers["X-Approximate"]) == ("HIT", "p50, p95, p99")
    (row,) = again.json
    for name, share in SHARES.items():
        assert row[name] == pytest.approx(np.percentile(values, share), rel=0.01), name
    assert row["stddev"] == statistics.stdev(values)
    # What needs no sort is always exact, and so are 3000 values beside a null.
    assert "X-Approximate" not in (await asked(aggregation="stddev,avg")).headers
    null = {**points[0], "timestamp": at(0.5).isoformat(), "value": None}
    await ask(server, "POST", "/api/metrics", writer, json=null)
    assert "X-Approximate" not in (await asked(end_time=at(3000).isoformat())).headers


@pytest.mark.stalls
async def test_no_function_takes_long_on_the_event_loop(metrics: MetricsDataAccessor) -> None:
    rng = random.Random(3)
    for first in range(0, 60_000, 10_000):
        await metrics.add_points(
            [point("x", n / 50, rng.gauss(1e5, 10)) for n in range(first, first + 10_000)]
        )
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.thread_time()  # other processes and threads apart
            await asyncio.sleep(0.0005)
            longest = max(longest, time.thread_time() - before)

    gc.collect()
    gc.freeze()  # what the tests before have left is not to be looked through
    watching = asyncio.create_task(watch())
    try:
        for functions, interval, buckets in (
            (",".join(FUNCTIONS), "1d", 1),
            (",".join(FUNCTIONS), "1m", 20),
            ("stddev,p50", "1s", 1200),
            ("avg,stddev", "7s", 172),
        ):
            page = await metrics.get_metrics(
                "risk", at(0), at(1200), functions, interval=interval, limit=10_000
            )
            assert len(page) == buckets
    finally:
        watching.cancel()
        gc.unfreeze()
    assert longest < 0.02
