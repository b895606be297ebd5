"""Buckets in SQL against the same definitions in plain Python, on random points."""

from __future__ import annotations

import asyncio
import math
import statistics
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alphapulse_api.domain.aggregation import FUNCTIONS, grid_of, parse_interval
from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.times import EPOCH, from_micros, now
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from tests.engines import Fresh, at, point

SECOND = 1_000_000
INTERVALS = ("1s", "7s", "15s", "1m", "5m", "90m", "1h", "4h", "1d", "3d", "1w")
LABELS: tuple[dict[str, str], ...] = ({}, {"desk": "a"}, {"desk": "b", "venue": "x"})


class Case(NamedTuple):
    """Points by series and instant (microseconds), and a question about them."""

    points: list[tuple[int, int, float | None]]  # series, instant, value; in the order they came
    start: int
    end: int
    interval: str
    functions: tuple[str, ...]
    limit: int


values = st.one_of(
    st.none(),
    st.sampled_from([0.0, 1.0, -1.0, 2.5, 1e9, 0.1]),  # equal ones are likely
    st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: value + 0.0),
    st.sampled_from([1e9 - 1e-3, 1e9 + 1e-3, 1e17 / 3, 1e150, 1e-146, 5e-324, 1.7e308, -1.7e308]),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    interval = draw(st.sampled_from(INTERVALS))
    width = parse_interval(interval)
    # Around the epoch, well before it, and today; a few buckets wide, with ties and the edges.
    origin = draw(st.sampled_from([0, -86400 * 400 * SECOND, 1_767_225_600 * SECOND]))
    span = draw(st.integers(1, 12)) * width
    instants = st.one_of(
        st.integers(origin - span, origin + span),
        st.integers(-12, 12).map(lambda n: (origin // width + n) * width),
    )
    points = draw(st.lists(st.tuples(st.integers(0, 2), instants, values), max_size=60))
    first, last = sorted((draw(instants), draw(instants)))
    functions = draw(st.lists(st.sampled_from(FUNCTIONS), min_size=1, unique=True))
    return Case(points, first, last + 1, interval, tuple(functions), draw(st.integers(1, 40)))


def percentile(ordered: Sequence[float], share: int) -> float:
    """percentile_cont, and numpy's `linear`: linear between the closest ranks, rounded once."""
    place = Fraction((len(ordered) - 1) * share, 100)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    one, other = Fraction(ordered[low]), Fraction(ordered[high])
    return float(one + (other - one) * (place - low))


def deviation(numbers: Sequence[float]) -> float | None:
    """The sample's, computed from fractions and rounded once."""
    try:
        return statistics.stdev(numbers) if len(numbers) > 1 else None
    except OverflowError:
        return None


def nearest(number: Fraction) -> float | None:
    """The double, or None beyond doubles."""
    try:
        return float(number)
    except OverflowError:
        return None


def reference(function: str, bucket: dict[int, float | None]) -> float | int | None:
    """One function over one bucket: instant to value."""
    known = [bucket[t] for t in sorted(bucket) if bucket[t] is not None]
    numbers = [value for value in known if value is not None]
    if function == "count":
        return len(numbers)
    if not numbers:
        return None
    if function.startswith("p"):
        return percentile(sorted(numbers), int(function[1:]))
    total = sum(map(Fraction, numbers))
    return {
        "avg": lambda: float(total / len(numbers)),
        "min": lambda: min(numbers),
        "max": lambda: max(numbers),
        "sum": lambda: nearest(total),
        "first": lambda: numbers[0],
        "last": lambda: numbers[-1],
        "stddev": lambda: deviation(numbers),
    }[function]()


def expected(case: Case) -> Iterator[tuple[datetime, int, dict[str, float | int | None]]]:
    """Bucket start, series and figures, oldest first."""
    start_of = grid_of(case.interval).key([])
    newest = {(series, instant): value for series, instant, value in case.points}
    buckets: dict[tuple[int, int], dict[int, float | None]] = {}
    for (series, instant), value in newest.items():
        if case.start <= instant < case.end:
            buckets.setdefault((start_of(instant), series), {})[instant] = value
    for (micros, series), bucket in sorted(buckets.items()):
        start = EPOCH + timedelta(microseconds=micros)
        yield start, series, {f: reference(f, bucket) for f in case.functions}


async def answers(case: Case, fresh: Fresh) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What is stored and asked: in one page, and in pages of `limit`."""
    async with fresh() as engine:
        metrics = MetricsDataAccessor(engine)
        for labels in LABELS:  # so that the series' order is known
            await metrics.add_points([point("m", 1e9, 0.0, **labels)])
        half = len(case.points) // 2
        for part in (case.points[:half], case.points[half:]):
            await metrics.add_points(
                [
                    {**point("m", 0, value, **LABELS[s]), "timestamp": from_micros(instant)}
                    for s, instant, value in part
                ]
            )
        question = {
            "start_time": from_micros(case.start),
            "end_time": from_micros(case.end),
            "aggregation": ",".join(case.functions),
            "interval": case.interval,
        }
        whole = await metrics.get_metrics("risk", **question, limit=10_000)
        assert whole.next_cursor is None
        pages: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = await metrics.get_metrics("risk", **question, limit=case.limit, cursor=cursor)
            assert len(page) <= case.limit
            pages += page
            if (cursor := page.next_cursor) is None:
                return list(whole), pages


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_buckets_are_what_the_definitions_say(case: Case, fresh: Fresh) -> None:
    whole, pages = asyncio.run(answers(case, fresh))
    assert pages == whole
    wanted = list(expected(case))
    assert [(row["timestamp"], row["labels"]) for row in whole] == [
        (start, LABELS[series]) for start, series, _ in wanted
    ]
    for row, (_, _, figures) in zip(whole, wanted, strict=True):
        got = {case.functions[0]: row["value"]} if len(case.functions) == 1 else row
        for name, figure in figures.items():
            assert got[name] == figure, name
            assert got[name] or math.copysign(1.0, got[name] or 0.0) == 1.0, name


@pytest.fixture
def metrics(engine: Engine) -> MetricsDataAccessor:
    return MetricsDataAccessor(engine)


async def test_one_function_is_in_value_and_several_in_their_names(
    metrics: MetricsDataAccessor,
) -> None:
    await metrics.add_points([point("var", n, float(n)) for n in range(4)])
    (one,) = await metrics.get_metrics("risk", at(0), at(60), "mean", interval="1m")
    assert one == {
        "metric_type": "risk",
        "name": "var",
        "timestamp": at(0),
        "value": 1.5,
        "labels": {},
    }
    (two,) = await metrics.get_metrics("risk", at(0), at(60), "max,mean", interval="1m")
    assert list(two) == ["metric_type", "name", "timestamp", "max", "avg", "labels"]


async def test_buckets_count_from_the_epoch_and_a_range_cuts_them(
    metrics: MetricsDataAccessor,
) -> None:
    await metrics.add_points([point("var", n, 1.0) for n in range(0, 600, 10)])
    rows = await metrics.get_metrics("risk", at(30), at(350), "count", interval="5m")
    assert [(row["timestamp"], row["value"]) for row in rows] == [(at(0), 27), (at(300), 5)]
    (week,) = await metrics.get_metrics("risk", at(0), at(600), interval="1w")
    assert week["timestamp"] == datetime(2026, 2, 23, tzinfo=UTC)
    assert week["timestamp"].strftime("%A") == "Monday"


async def test_a_bucket_of_nothing_but_nan_counts_none(metrics: MetricsDataAccessor) -> None:
    await metrics.add_points([point("var", 0, None), point("var", 1, None)])
    (row,) = await metrics.get_metrics("risk", at(0), at(60), ",".join(FUNCTIONS), interval="1m")
    assert row["count"] == 0
    assert {row[name] for name in FUNCTIONS if name != "count"} == {None}


async def test_stddev_keeps_its_digits_far_from_zero(metrics: MetricsDataAccessor) -> None:
    offsets = (4.0, 7.0, 13.0, 16.0)
    await metrics.add_points([point("var", n, 1e9 + x) for n, x in enumerate(offsets)])
    (row,) = await metrics.get_metrics("risk", at(0), at(60), "stddev", interval="1m")
    assert row["value"] == pytest.approx(statistics.stdev(offsets), rel=1e-9)


async def test_a_sum_beyond_doubles_is_null(metrics: MetricsDataAccessor) -> None:
    await metrics.add_points([point("var", n, 1.7e308) for n in range(4)])
    (row,) = await metrics.get_metrics("risk", at(0), at(60), "sum,max", interval="1m")
    assert (row["sum"], row["max"]) == (None, 1.7e308)


async def test_the_edges_of_doubles_are_no_fault(metrics: MetricsDataAccessor) -> None:
    """PostgreSQL makes an error of every overflow and underflow of its arithmetic."""
    values = (1.7e308, -1.7e308, 1e300, 5e-324, -5e-324, 1e-200, 0.0, 3.0, None)
    for width, group in ((1, values), (2, values[3:]), (3, values[:2]), (4, values[3:4])):
        start = width * 100
        await metrics.add_points([point("x", start + n, value) for n, value in enumerate(group)])
        rows = await metrics.get_metrics(
            "risk", at(start), at(start + 50), ",".join(FUNCTIONS), interval="1d"
        )
        numbers = [value for value in group if value is not None]
        assert rows[0]["avg"] == pytest.approx(math.fsum(numbers) / len(numbers))
        assert rows[0]["sum"] == pytest.approx(math.fsum(numbers))
        assert (rows[0]["min"], rows[0]["max"]) == (min(numbers), max(numbers))


async def test_pages_stay_in_the_first_pages_buckets_while_the_range_grows(
    metrics: MetricsDataAccessor,
) -> None:
    await metrics.add_points([point("var", n, 1.0) for n in range(60)])
    first = await metrics.get_metrics("risk", at(0), at(10), "count", max_points=10, limit=4)
    assert [row["timestamp"] for row in first] == [at(0), at(1), at(2), at(3)]
    rest = await metrics.get_metrics(
        "risk", at(0), at(60), "count", max_points=10, limit=4, cursor=first.next_cursor
    )
    assert [row["timestamp"] for row in rest] == [at(4), at(5), at(6), at(7)]


@pytest.mark.parametrize("other", [{"interval": "1m"}, {}])
async def test_a_cursor_does_not_serve_another_interval(
    metrics: MetricsDataAccessor, other: dict[str, str]
) -> None:
    await metrics.add_points([point("var", n, 1.0) for n in range(9)])
    first = await metrics.get_metrics("risk", at(0), at(9), interval="1s", limit=2)
    with pytest.raises(ValidationProblem) as refused:
        await metrics.get_metrics("risk", at(0), at(9), **other, cursor=first.next_cursor)
    assert refused.value.errors[0]["parameter"] == "cursor"


async def test_the_first_instants_of_time_are_answered_too(metrics: MetricsDataAccessor) -> None:
    first = datetime.min.replace(tzinfo=UTC)
    await metrics.add_points([{**point("var", 0, 1.0), "timestamp": first}])
    (row,) = await metrics.get_metrics("risk", first, at(0), "count")
    assert (row["timestamp"], row["value"]) == (first, 1)
    with pytest.raises(ValidationProblem, match="start_time"):
        await metrics.get_metrics("risk", end_time=first)


async def test_the_range_defaults_to_the_day_before_now(metrics: MetricsDataAccessor) -> None:
    ages = (timedelta(hours=23), timedelta(hours=25), -timedelta(hours=1))
    await metrics.add_points(
        [{**point("var", 0, float(n)), "timestamp": now() - age} for n, age in enumerate(ages)]
    )
    assert [row["value"] for row in await metrics.get_metrics("risk")] == [0.0]
