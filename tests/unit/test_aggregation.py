"""What an aggregation question means: functions, intervals, how many buckets are too many."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alphapulse_api.data.aggregation import (
    AUTO_INTERVALS,
    FUNCTIONS,
    MAX_BUCKETS,
    Aggregation,
    auto_interval,
    bucket_count,
    finish,
    parse_functions,
    parse_interval,
    plan,
)
from alphapulse_api.errors import ValidationProblem
from alphapulse_api.times import to_micros

LAST = datetime.max.replace(tzinfo=UTC)
SECOND = 1_000_000
DAY = 86_400 * SECOND


def complaint(call: Any, *args: Any) -> tuple[str, ValidationProblem]:
    """The parameter that is complained of, and the problem."""
    with pytest.raises(ValidationProblem) as refused:
        call(*args)
    (error,) = refused.value.errors
    return error["parameter"], refused.value


def test_functions_come_in_the_order_asked_and_mean_is_avg() -> None:
    assert parse_functions("p95, mean,min") == ("p95", "avg", "min")
    assert parse_functions(",".join(FUNCTIONS)) == FUNCTIONS


@pytest.mark.parametrize("text", ["median", "", "avg,", "AVG", "avg,mean", "sum,sum", "p50;p95"])
def test_an_unknown_or_doubled_function_is_refused(text: str) -> None:
    assert complaint(parse_functions, text)[0] == "aggregation"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("90s", 90), ("5m", 300), ("12h", 43_200), ("1d", 86_400), ("2w", 1_209_600)],
)
def test_an_interval_is_a_whole_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_interval(text) == seconds * SECOND


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "m",
        "0m",
        "-5m",
        "+5m",
        "05m",
        "1.5h",
        "5 m",
        "5M",
        "1y",
        "٥m",
        "5m\n",
        "999999999w",
    ],
)
def test_any_other_interval_is_refused(text: str) -> None:
    assert complaint(parse_interval, text)[0] == "interval"


@given(st.integers(-(10**17), 10**17), st.integers(1, 10**13), st.integers(1, 10**12))
def test_bucket_count_is_the_number_of_buckets_a_range_touches(
    start: int, length: int, width: int
) -> None:
    count = bucket_count(start, start + length, width)
    first, last = start // width, (start + length - 1) // width
    assert count == last - first + 1
    assert count >= 1


def test_an_end_on_a_boundary_opens_no_bucket() -> None:
    assert bucket_count(0, 60 * SECOND, 60 * SECOND) == 1
    assert bucket_count(0, 60 * SECOND + 1, 60 * SECOND) == 2
    assert bucket_count(-1, 1, 60 * SECOND) == 2


@given(
    st.integers(-62 * 10**15, 25 * 10**16),
    st.integers(1, 3 * 10**17),
    st.integers(1, MAX_BUCKETS),
)
@example(105_884_811_924_144_128, 105_884_811_924_144_128, 1)
@example(to_micros(LAST) - 1, 1, 1)
@example(-62 * 10**15, 3 * 10**17, 1)
def test_auto_takes_the_smallest_interval_that_fits(start: int, length: int, points: int) -> None:
    length = min(length, to_micros(LAST) - start)  # no range ends after the year 9999
    text = auto_interval(start, start + length, points)
    if start < 0 < start + length:
        points = max(points, 2)  # buckets of every width meet at the epoch
    assert bucket_count(start, start + length, parse_interval(text)) <= points
    smaller = AUTO_INTERVALS.index(text) if text in AUTO_INTERVALS else len(AUTO_INTERVALS)
    for other in AUTO_INTERVALS[:smaller]:
        assert bucket_count(start, start + length, parse_interval(other)) > points


@pytest.mark.parametrize(
    ("days", "points", "interval"),
    [(1, 1000, "5m"), (1, 1440, "1m"), (1, 1439, "5m"), (7, 1000, "15m"), (365, 1000, "12h")],
)
def test_auto_on_usual_ranges(days: int, points: int, interval: str) -> None:
    assert auto_interval(0, days * DAY, points) == interval


def test_auto_ends_even_where_one_bucket_cannot_hold_the_range() -> None:
    assert auto_interval(-SECOND, SECOND, 1) == "1s"
    assert auto_interval(-62 * 10**15, 1, 1) == auto_interval(-62 * 10**15, 1, 2)


def test_a_question_for_raw_points_has_no_plan() -> None:
    assert plan(None, None, None, 0, DAY) is None


@pytest.mark.parametrize(
    ("aggregation", "interval", "max_points", "functions", "width"),
    [
        ("max", None, None, ("max",), 300),
        (None, "1h", None, ("avg",), 3600),
        (None, "auto", None, ("avg",), 300),
        (None, None, 24, ("avg",), 3600),
        ("sum,count", "1h", 2, ("sum", "count"), 3600),
    ],
)
def test_either_half_of_a_question_implies_the_other(
    aggregation: str | None,
    interval: str | None,
    max_points: int | None,
    functions: tuple[str, ...],
    width: int,
) -> None:
    asked = plan(aggregation, interval, max_points, 0, DAY)
    assert asked is not None
    assert (asked.functions, asked.width) == (functions, width * SECOND)


def test_more_than_11000_buckets_are_refused_with_one_that_fits() -> None:
    asked = plan("avg", "1s", None, 0, MAX_BUCKETS * SECOND)
    assert asked is not None
    parameter, problem = complaint(plan, "avg", "1s", None, 0, MAX_BUCKETS * SECOND + 1)
    assert parameter == "interval"
    suggested = problem.extra["suggested_interval"]
    assert bucket_count(0, MAX_BUCKETS * SECOND + 1, parse_interval(suggested)) <= 1000
    assert plan("avg", suggested, None, 0, MAX_BUCKETS * SECOND + 1) is not None


def test_only_auto_may_go_on_in_another_width() -> None:
    fixed = Aggregation(("avg",), 60 * SECOND)
    assert fixed.continued(60 * SECOND) == fixed
    for width in (300 * SECOND, 0, -1, 2**62):
        assert complaint(fixed.continued, width)[0] == "cursor"
    automatic = Aggregation(("avg",), 60 * SECOND, automatic=True)
    assert automatic.continued(300 * SECOND).width == 300 * SECOND
    for width in (0, -1, 2**62):
        assert complaint(automatic.continued, width)[0] == "cursor"


def test_finish_folds_three_columns_a_function_in_order() -> None:
    row = (10.0, 20.0, 25, 18.0, 3, 9.0, 30.0, None, 0)
    assert finish(("p50", "stddev", "p99"), row) == [12.5, 3.0, 30.0]


def test_finish_has_null_where_there_is_no_number() -> None:
    assert finish(("p50", "stddev"), (None, None, -50, None, 0, None)) == [None, None]
    assert finish(("stddev",), (0.0, 1, 5.0)) == [None]
    assert finish(("stddev",), (0.0, 4, 1e200)) == [None]
    assert finish(("p50",), (-1.7e308, 1.7e308, 50)) == [None]
