"""Where buckets begin: in UTC, and by the clocks of time zones, to the minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alphapulse_api.domain.aggregation import grid_of
from alphapulse_api.domain.buckets import FIRST_MONDAY, HOUR, WEEK, Even
from alphapulse_api.domain.times import EPOCH, MICROSECOND, to_micros

MINUTE = HOUR // 60
# Daylight saving of an hour, north and south, of half an hour, at midnight and a minute after it;
# offsets of quarters of hours; a day left out (2011); offsets of seconds (before 1900).
ZONES = [
    "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu",
    "America/Sao_Paulo", "America/Havana", "America/St_Johns", "Pacific/Apia", "Africa/Casablanca",
    "Pacific/Chatham", "Asia/Kolkata", "Africa/Monrovia", "Antarctica/Troll", "UTC",
]  # fmt: skip
INTERVALS = ["1h", "2h", "4h", "5h", "12h", "1d", "3d", "1w", "2w"]


def micros(text: str, zone: str) -> int:
    return to_micros(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def clock(at: int, zone: str) -> datetime:
    """What a clock shows at an instant."""
    return (EPOCH + at * MICROSECOND).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def wall(at: int, zone: str) -> int:
    """The same in microseconds."""
    return to_micros(clock(at, zone).replace(tzinfo=UTC))


def edges(interval: str, zone: str, start: str, end: str) -> list[int]:
    span = micros(start, zone), micros(end, zone)
    grid = grid_of(interval, ZoneInfo(zone))
    found = grid.edges(*span, 1000)
    assert grid.count(*span) == len(found) - 1
    return found


@given(
    st.integers(-(10**17), 10**17),
    st.integers(1, 10**13),
    st.integers(1, 10**12),
    st.sampled_from([0, FIRST_MONDAY]),
)
def test_even_buckets_are_as_many_as_a_range_touches(
    start: int, length: int, width: int, origin: int
) -> None:
    grid = Even(width, origin)
    count = grid.count(start, start + length)
    first, last = (start - origin) // width, (start + length - 1 - origin) // width
    assert count == last - first + 1
    found = grid.edges(start, start + length, 50)
    assert len(found) - 1 == min(count, 50)
    assert found[0] <= start < found[1]
    assert {(edge - origin) % width for edge in found} == {0}
    assert grid.key(found)(start) == found[0]


def test_an_end_on_an_edge_opens_no_bucket() -> None:
    assert Even(60).count(0, 60) == 1
    assert Even(60).count(0, 61) == 2
    assert Even(60).count(-1, 1) == 2


@pytest.mark.parametrize("zone", [None, *ZONES])
def test_weeks_begin_on_mondays(zone: str | None) -> None:
    grid = grid_of("1w", ZoneInfo(zone) if zone else None)
    start = to_micros(datetime(2026, 1, 1, tzinfo=UTC))
    for edge in grid.edges(start, start + 52 * WEEK, 60):
        shown = clock(edge, zone or "UTC")
        assert (shown.isoweekday(), shown.hour, shown.minute) == (1, 0, 0)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("America/Sao_Paulo", "2018-11-04", 23),  # begins at 1:00
        ("America/Havana", "2025-11-02", 25),  # has midnight twice
        ("America/St_Johns", "2010-11-07", 25),  # put back at 0:01
        ("Asia/Kathmandu", "2026-06-01", 24),
    ],
)
def test_a_day_has_as_many_hours_as_the_clock_shows(zone: str, day: str, hours: float) -> None:
    next_day = str(datetime.fromisoformat(day) + timedelta(days=1))
    first, last = edges("1d", zone, day, next_day)
    assert (last - first) / HOUR == hours
    assert clock(first, zone).date().isoformat() == day
    in_hours = edges("1h", zone, day, next_day)
    assert (in_hours[0], in_hours[-1]) == (first, last)
    assert len(in_hours) - 1 == round(hours)
    assert sum(b - a for a, b in pairwise(in_hours)) == last - first


def test_an_hour_that_the_clock_shows_twice_is_two_and_longer_buckets_stay_whole() -> None:
    zone, day, night = "America/New_York", "2026-11-01", "2026-11-01T08:00"
    shown = [clock(edge, zone).hour for edge in edges("1h", zone, day, night)]
    assert shown == [0, 1, 1, 2, 3, 4, 5, 6, 7, 8]
    lengths = [(b - a) / HOUR for a, b in pairwise(edges("4h", zone, day, night))]
    assert lengths == [5, 4]
    lengths = [(b - a) / HOUR for a, b in pairwise(edges("2h", zone, day, night))]
    assert lengths == [3, 2, 2, 2]


def test_half_an_hour_of_daylight_saving_makes_one_hour_longer_or_shorter() -> None:
    zone = "Australia/Lord_Howe"
    lengths = [
        (b - a) / HOUR for a, b in pairwise(edges("1h", zone, "2026-04-05", "2026-04-05T04:00"))
    ]
    assert lengths == [1, 1.5, 1, 1]
    shown = [
        clock(edge, zone).strftime("%H:%M")
        for edge in edges("1h", zone, "2026-10-04", "2026-10-04T04:00")
    ]
    assert shown == ["00:00", "01:00", "02:30", "03:00", "04:00"]


def test_a_day_that_a_zone_left_out_is_no_bucket() -> None:
    span = [micros(text, "Pacific/Apia") for text in ("2011-12-29", "2012-01-01")]
    found = grid_of("1d", ZoneInfo("Pacific/Apia")).edges(*span, 10)
    days = [clock(edge, "Pacific/Apia").isoformat()[:10] for edge in found]
    assert days == ["2011-12-29", "2011-12-31", "2012-01-01"]


def test_intervals_that_are_no_whole_hours_count_in_utc() -> None:
    for interval in ("1s", "1m", "30m", "90m"):
        assert grid_of(interval, ZoneInfo("Asia/Kathmandu")) == grid_of(interval)
    assert grid_of("60m", ZoneInfo("Asia/Kathmandu")) == grid_of("1h", ZoneInfo("Asia/Kathmandu"))


@given(
    st.sampled_from(ZONES),
    st.sampled_from(INTERVALS),
    st.one_of(
        st.integers(-250 * 365 * 24 * 60, 300 * 365 * 24 * 60),
        st.integers(50 * 365 * 24 * 60, 60 * 365 * 24 * 60),
    ),
    st.integers(1, 40),
)
@example("Pacific/Apia", "1h", 22_088_160, 40)
@example("America/St_Johns", "1d", 21_485_000, 4)
@example("Pacific/Chatham", "1h", 29_588_500, 40)
@example("Pacific/Chatham", "1h", 29_839_000, 40)
def test_every_instant_is_in_one_bucket_that_begins_by_the_clock(
    zone: str, interval: str, minute: int, buckets: int
) -> None:
    grid = grid_of(interval, ZoneInfo(zone))
    start, end = minute * MINUTE, minute * MINUTE + buckets * grid.width
    found = grid.edges(start, end, 1000)
    assert found == sorted(set(found))
    assert found[0] <= start < found[1]
    assert found[-2] < end <= found[-1]
    if (zone, interval) != ("Pacific/Apia", "1d"):  # a day without an instant is counted
        assert grid.count(start, end) == len(found) - 1
    # In windows the same as at once.
    joined = [found[0]]
    while joined[-1] < end:
        joined += grid.edges(max(start, joined[-1]), end, 3)[1:]
    assert joined == found
    for at in (*found[1:-1], *(edge - 1 for edge in found[1:]), start):
        assert grid.key(found)(at) == max(edge for edge in found if edge <= at)
        # From each instant on, whatever the range begins with.
        assert grid.edges(at, at + 1, 5)[0] == grid.key(found)(at)
    for edge in found:
        # The clock shows a multiple of the width here, or is put forward over one.
        shown, before = wall(edge, zone), wall(edge - 1, zone)
        past = (shown - (FIRST_MONDAY if interval.endswith("w") else 0)) % grid.width
        assert past == 0 or before < shown - past


@pytest.mark.parametrize("zone", ZONES)
def test_the_ends_of_time_have_buckets(zone: str) -> None:
    first = to_micros(datetime.min.replace(tzinfo=UTC))
    last = to_micros(datetime.max.replace(tzinfo=UTC))
    for interval in ("1h", "1d", "1w", "520000w"):
        grid = grid_of(interval, ZoneInfo(zone))
        for at in (first, last):
            begin, end = grid.edges(at, at + 1, 1)
            assert begin <= at < end
        assert grid.count(first, last) >= 1
