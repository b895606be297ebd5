"""What an aggregation question means: functions, intervals, how many buckets are too many."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alphapulse_api.domain.aggregation import (
    AUTO_INTERVALS,
    FUNCTIONS,
    MAX_BUCKETS,
    Aggregation,
    auto_interval,
    grid_of,
    parse_functions,
    parse_interval,
    plan,
    time_zone,
)
from alphapulse_api.domain.buckets import FIRST_MONDAY
from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.times import to_micros

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
    assert parse_functions("AVG") == ("avg",)


@pytest.mark.parametrize("text", ["median", "", "avg,", "avg,mean", "sum,sum", "p50;p95"])
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
    if start < FIRST_MONDAY < start + length:
        points = max(points, 2)  # buckets of every number of weeks meet there
    assert grid_of(text).count(start, start + length) <= points
    smaller = AUTO_INTERVALS.index(text) if text in AUTO_INTERVALS else len(AUTO_INTERVALS)
    for other in AUTO_INTERVALS[:smaller]:
        assert grid_of(other).count(start, start + length) > points


@pytest.mark.parametrize(
    ("days", "points", "interval"),
    [(1, 1000, "5m"), (1, 1440, "1m"), (1, 1439, "5m"), (7, 1000, "15m"), (365, 1000, "12h")],
)
def test_auto_on_usual_ranges(days: int, points: int, interval: str) -> None:
    assert auto_interval(0, days * DAY, points) == interval


def test_auto_ends_even_where_one_bucket_cannot_hold_the_range() -> None:
    around = (FIRST_MONDAY - SECOND, FIRST_MONDAY + SECOND)
    assert auto_interval(*around, 1) == "1s"
    assert auto_interval(-62 * 10**15, 1, 1) == auto_interval(-62 * 10**15, 1, 2)


def test_a_question_for_raw_points_has_no_plan() -> None:
    assert plan(None, None, None, 0, DAY) is None


@pytest.mark.parametrize(
    ("aggregation", "interval", "max_points", "functions", "chosen"),
    [
        ("max", None, None, ("max",), "5m"),
        (None, "1h", None, ("avg",), "1h"),
        (None, "auto", None, ("avg",), "5m"),
        (None, None, 24, ("avg",), "1h"),
        ("sum,count", "1h", 2, ("sum", "count"), "1h"),
    ],
)
def test_either_half_of_a_question_implies_the_other(
    aggregation: str | None,
    interval: str | None,
    max_points: int | None,
    functions: tuple[str, ...],
    chosen: str,
) -> None:
    asked = plan(aggregation, interval, max_points, 0, DAY)
    assert asked is not None
    assert (asked.functions, asked.interval) == (functions, chosen)


def test_more_than_11000_buckets_are_refused_with_one_that_fits() -> None:
    asked = plan("avg", "1s", None, 0, MAX_BUCKETS * SECOND)
    assert asked is not None
    parameter, problem = complaint(plan, "avg", "1s", None, 0, MAX_BUCKETS * SECOND + 1)
    assert parameter == "interval"
    suggested = problem.extra["suggested_interval"]
    assert grid_of(suggested).count(0, MAX_BUCKETS * SECOND + 1) <= 1000
    assert plan("avg", suggested, None, 0, MAX_BUCKETS * SECOND + 1) is not None


def test_only_auto_may_go_on_in_another_interval() -> None:
    fixed = Aggregation(("avg",), "1m")
    assert fixed.continued("1m") == fixed
    for interval in ("5m", "60s", "", "x"):
        assert complaint(fixed.continued, interval)[0] == "cursor"
    automatic = Aggregation(("avg",), "1m", automatic=True)
    assert automatic.continued("5m").grid == grid_of("5m")
    for interval in ("", "x", "0m", "999999999w", "auto"):
        assert complaint(automatic.continued, interval)[0] == "cursor"


@pytest.mark.parametrize("name", ["UTC", "America/New_York", "Australia/Lord_Howe", "Etc/GMT+12"])
def test_time_zones_go_by_their_iana_names(name: str) -> None:
    assert str(time_zone(name)) == name


@pytest.mark.parametrize(
    "name", ["", "america/new_york", "EST5EDT4", "+01:00", "../../etc/passwd", "/etc/localtime",
             "tzdata", "Europe", "localtime", "Europe/Berlin\n", "Mars/Olympus"],
)  # fmt: skip
def test_any_other_time_zone_is_refused(name: str) -> None:
    assert complaint(time_zone, name)[0] == "timezone"
    assert complaint(plan, None, None, None, 0, DAY, name)[0] == "timezone"


def test_auto_and_the_suggestion_count_buckets_by_the_clock_of_the_zone() -> None:
    zone = time_zone("America/New_York")
    start = to_micros(datetime(2026, 3, 8, tzinfo=UTC))
    assert auto_interval(start, start + DAY, 24, zone) == "1h"
    # A day of UTC is part of two days there.
    start = to_micros(datetime(2026, 6, 3, tzinfo=UTC))
    assert auto_interval(start, start + DAY, 1) == "1d"
    assert auto_interval(start, start + DAY, 1, zone) == "1w"
    assert auto_interval(start, start + DAY, 2, zone) == "1d"
    asked = plan("avg", "auto", 2, start, start + DAY, "America/New_York")
    assert asked is not None
    assert (asked.zone, asked.interval) == (zone, "1d")
    days = 12_000
    parameter, problem = complaint(
        plan, "avg", "1d", 1800, start, start + days * DAY, "America/New_York"
    )
    suggested = problem.extra["suggested_interval"]
    assert (parameter, suggested) == ("interval", "1w")
    assert grid_of(suggested, zone).count(start, start + days * DAY) <= 1800
