"""Time buckets and the functions over them: the meaning of a query, before any SQL.

Buckets are half-open and count from the Unix epoch in UTC, weeks from the Monday before it. With
a time zone, buckets of whole hours begin by its clock (`buckets.Zoned`). All functions ignore nulls
(stored NaN); a bucket that has only nulls has count 0, and null for the other functions.

Sums and averages are exact and rounded once. Percentiles interpolate linearly between the closest
ranks, as numpy's `linear` and percentile_cont of SQL:2003 do; stddev is the sample's (n - 1), null
for fewer than two values.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Final

from alphapulse_api.domain.buckets import (
    DAY,
    FIRST_MONDAY,
    HOUR,
    SECOND,
    WEEK,
    Even,
    Grid,
    Zoned,
)
from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.times import zone_of

FUNCTIONS: Final = (
    "avg", "min", "max", "sum", "count", "first", "last", "stddev", "p50", "p95", "p99",
)  # fmt: skip
ALIASES: Final = {"mean": "avg"}
PERCENTILES: Final = {"p50": 50, "p95": 95, "p99": 99}

_WIDTH: Final = "([1-9][0-9]{0,8})([smhdw])"
INTERVAL: Final = f"^(auto|{_WIDTH})$"  # of the documents: the same in Python and ECMA-262
_UNITS: Final = {"s": SECOND, "m": 60 * SECOND, "h": HOUR, "d": DAY, "w": WEEK}  # microseconds
AUTO_INTERVALS: Final = (
    "1s", "5s", "10s", "15s", "30s", "1m", "5m", "15m", "30m", "1h", "4h", "12h", "1d", "1w",
)  # fmt: skip

DEFAULT_MAX_POINTS: Final = 1000
MAX_BUCKETS: Final = 11_000
MAX_WIDTH: Final = 520_000 * WEEK  # longer than the range of datetime


def parse_functions(text: str) -> tuple[str, ...]:
    """The functions of a comma list, in its order, in any case, aliases resolved.

    Raises:
        ValidationProblem: naming the function that is unknown, or if one occurs twice.
    """
    words = [word.strip().lower() for word in text.split(",")]
    names = [ALIASES.get(word, word) for word in words]
    for name in names:
        if name not in FUNCTIONS:
            known = ", ".join(FUNCTIONS)
            raise ValidationProblem.parameter("aggregation", f"{name!r} is not one of {known}")
    if len(set(names)) != len(names):
        raise ValidationProblem.parameter("aggregation", "a function is named twice")
    return tuple(names)


def parse_interval(text: str) -> int:
    """Microseconds of an interval such as 5m.

    Raises:
        ValidationProblem: if it is not a whole number of s, m, h, d or w.
    """
    match = re.fullmatch(_WIDTH, text)
    if match is None:
        raise ValidationProblem.parameter(
            "interval", "auto, or a whole number with s, m, h, d or w, such as 5m"
        )
    width = int(match[1]) * _UNITS[match[2]]
    if width > MAX_WIDTH:
        raise ValidationProblem.parameter("interval", f"{text} is too long an interval")
    return width


def time_zone(name: str) -> tzinfo:
    """The zone of an IANA name.

    Raises:
        ValidationProblem: if there is no such zone.
    """
    zone = zone_of(name)
    if zone is None:
        raise ValidationProblem.parameter(
            "timezone", f"{name!r} is not an IANA time zone, such as Europe/Berlin or UTC"
        )
    return zone


def grid_of(interval: str, zone: tzinfo | None = None) -> Grid:
    """The buckets of an interval; those of whole hours begin by the clock of the zone.

    Raises:
        ValidationProblem: if it is not an interval.
    """
    width = parse_interval(interval)
    origin = FIRST_MONDAY if interval.endswith("w") else 0
    if zone is None or width % HOUR:
        return Even(width, origin)
    return Zoned(width, zone, origin)


def auto_interval(start: int, end: int, max_points: int, zone: tzinfo | None = None) -> str:
    """The smallest usual interval that cuts [start, end) into at most `max_points` buckets.

    If even weeks are too many, the interval is a number of weeks, hardly more than needed. Buckets
    of any number of weeks have an edge at the first Monday: a range across it has at least two.
    """
    week = grid_of("1w", zone)
    if start < week.first < end:
        max_points = max(2, max_points)
    for text in AUTO_INTERVALS:
        if grid_of(text, zone).count(start, end) <= max_points:
            return text
    weeks = max(2, math.ceil((end - start) / week.width / max_points))
    while grid_of(f"{weeks}w", zone).count(start, end) > max_points:
        # By a hundredth at a time: far from the epoch, one bucket may have to be twice the range.
        weeks += max(1, weeks // 100)
    return f"{weeks}w"


@dataclass(frozen=True, slots=True)
class Aggregation:
    """The functions that are asked for, and their buckets."""

    functions: tuple[str, ...]
    interval: str
    zone: tzinfo | None = None
    automatic: bool = False

    @property
    def grid(self) -> Grid:
        """The buckets."""
        return grid_of(self.interval, self.zone)

    def continued(self, interval: str) -> Aggregation:
        """The aggregation of a later page, with the buckets of the first page.

        A range that ends now grows between two pages, so "auto" could give another interval.

        Raises:
            ValidationProblem: if the first page asked for another interval.
        """
        if not (self.automatic or interval == self.interval):
            raise ValidationProblem.parameter("cursor", "the page before had another interval")
        try:
            parse_interval(interval)
        except ValidationProblem:
            raise ValidationProblem.parameter("cursor", "it holds no interval") from None
        return replace(self, interval=interval)


def plan(
    aggregation: str | None,
    interval: str | None,
    max_points: int | None,
    start: int,
    end: int,
    timezone: str | None = None,
) -> Aggregation | None:
    """What a query asks for, or None if it asks for raw points.

    Any of `aggregation`, `interval` and `max_points` asks for buckets. Their defaults are avg, auto
    and 1000.

    Args:
        start: the range's first microsecond.
        end: the microsecond after its last.
        timezone: the name of the zone by whose clock buckets of whole hours begin; None is UTC.

    Raises:
        ValidationProblem: for an unknown function, interval or zone, a zone for raw points, or more
            than 11000 buckets (then with `suggested_interval`).
    """
    zone = None if timezone is None else time_zone(timezone)
    if aggregation is None and interval is None and max_points is None:
        if zone is not None:
            raise ValidationProblem.parameter(
                "timezone", "it applies to buckets only: add interval or aggregation"
            )
        return None
    functions = parse_functions(aggregation or "avg")
    points = max_points or DEFAULT_MAX_POINTS
    if interval is None or interval == "auto":
        chosen = auto_interval(start, end, points, zone)
        return Aggregation(functions, chosen, zone, automatic=True)
    count = grid_of(interval, zone).count(start, end)
    if count > MAX_BUCKETS:
        raise ValidationProblem.parameter(
            "interval",
            f"{interval} cuts this range into {count} buckets; at most {MAX_BUCKETS} are served",
            suggested_interval=auto_interval(start, end, points, zone),
        )
    return Aggregation(functions, interval, zone)
