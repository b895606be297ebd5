"""Time buckets and the functions over them: what a question means, before any SQL.

Buckets count from the Unix epoch in UTC and are half-open. Nulls (stored NaN) take no part in any
function; a bucket of nothing but nulls answers count 0 and null for the rest.

Sums are exact and rounded once, as `math.fsum` does; avg is that sum through the count.
Percentiles interpolate linearly between the closest ranks, as percentile_cont of SQL:2003 does;
stddev is the sample's (n - 1), null for fewer than two values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from alphapulse_api.errors import ValidationProblem

FUNCTIONS: Final = (
    "avg", "min", "max", "sum", "count", "first", "last", "stddev", "p50", "p95", "p99",
)  # fmt: skip
ALIASES: Final = {"mean": "avg"}
PERCENTILES: Final = {"p50": 50, "p95": 95, "p99": 99}

SECOND: Final = 1_000_000  # microseconds
_UNITS: Final = {
    "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86400 * SECOND, "w": 604800 * SECOND,
}  # fmt: skip
AUTO_INTERVALS: Final = (
    "1s", "5s", "10s", "15s", "30s", "1m", "5m", "15m", "30m", "1h", "4h", "12h", "1d", "1w",
)  # fmt: skip

DEFAULT_MAX_POINTS: Final = 1000
MAX_BUCKETS: Final = 11_000
# Doubles overflow, and PostgreSQL makes an error of that and of underflow. So deviations beyond
# WIDE have no stddev, and those below NARROW are none.
_WIDE: Final = 1e145
_FLAT: Final = (
    f"CASE WHEN abs(value) BETWEEN 1e-145 AND {_WIDE} THEN value "
    "WHEN value IS NOT NULL THEN 0.0 END"
)
_NARROW: Final = "1e-150"

MAX_WIDTH: Final = 520_000 * _UNITS["w"]  # all the time that dates can tell of


def parse_functions(text: str) -> tuple[str, ...]:
    """The functions of a comma list, in its order, aliases resolved.

    Raises:
        ValidationProblem: naming the one that is not known, or is there twice.
    """
    names = [ALIASES.get(name.strip(), name.strip()) for name in text.split(",")]
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
    match = re.fullmatch(r"([1-9][0-9]{0,8})([smhdw])", text)
    if match is None:
        raise ValidationProblem.parameter(
            "interval", "auto, or a whole number with s, m, h, d or w, such as 5m"
        )
    width = int(match[1]) * _UNITS[match[2]]
    if width > MAX_WIDTH:
        raise ValidationProblem.parameter("interval", f"{text} is longer than time is told")
    return width


def bucket_count(start: int, end: int, width: int) -> int:
    """How many epoch-aligned buckets the range [start, end) touches; all in microseconds."""
    return (end - 1) // width - start // width + 1


def auto_interval(start: int, end: int, max_points: int) -> str:
    """The smallest usual interval that cuts [start, end) into at most `max_points` buckets.

    A range so long that even weeks are too many gets whole weeks, few more than it takes. Buckets
    of every width meet at the epoch: a range across it has two at least.
    """
    if start < 0 < end:
        max_points = max(2, max_points)
    for text in AUTO_INTERVALS:
        if bucket_count(start, end, parse_interval(text)) <= max_points:
            return text
    week = _UNITS["w"]
    weeks = max(2, math.ceil((end - start) / week / max_points))
    while bucket_count(start, end, weeks * week) > max_points:
        # In steps of a hundredth: far from the epoch a single bucket may need twice the range.
        weeks += max(1, weeks // 100)
    return f"{weeks}w"


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One question: which functions over buckets of which width (microseconds)."""

    functions: tuple[str, ...]
    width: int
    automatic: bool = False

    def continued(self, width: int) -> Aggregation:
        """The same for a later page, in the first page's buckets.

        A range that ends now grows between two pages, and auto could come to another width.

        Raises:
            ValidationProblem: if the first page asked for another interval.
        """
        if not 0 < width <= MAX_WIDTH or not (self.automatic or width == self.width):
            raise ValidationProblem.parameter("cursor", "the page before had another interval")
        return replace(self, width=width)


def plan(
    aggregation: str | None,
    interval: str | None,
    max_points: int | None,
    start: int,
    end: int,
) -> Aggregation | None:
    """What a query asks for, or None if it asks for raw points.

    Any of `aggregation`, `interval` and `max_points` asks for buckets; what is left out is avg,
    auto and 1000.

    Args:
        start: the range's first microsecond.
        end: the microsecond after its last.

    Raises:
        ValidationProblem: for an unknown function or interval, or more than 11000 buckets (then
            with `suggested_interval`).
    """
    if aggregation is None and interval is None and max_points is None:
        return None
    functions = parse_functions(aggregation or "avg")
    points = max_points or DEFAULT_MAX_POINTS
    if interval is None or interval == "auto":
        width = parse_interval(auto_interval(start, end, points))
        return Aggregation(functions, width, automatic=True)
    width = parse_interval(interval)
    count = bucket_count(start, end, width)
    if count > MAX_BUCKETS:
        raise ValidationProblem.parameter(
            "interval",
            f"{interval} cuts this range into {count} buckets; at most {MAX_BUCKETS} are served",
            suggested_interval=auto_interval(start, end, points),
        )
    return Aggregation(functions, width)


def sql_columns(functions: Sequence[str]) -> tuple[list[str], list[str]]:
    """The SQL of percentiles and stddev, in two layers, the same on every engine.

    Returns:
        Window expressions for each point (over `w`: the bucket; over `v`: the bucket by value), and
        aggregate expressions over those, in the functions' order. Each function takes three:
        a percentile lower, upper and how far between in hundredths; stddev the sum of squared
        deviations, the count and the largest magnitude. `finish` folds them.
    """
    inner: list[str] = []
    outer: list[str] = []
    if "stddev" in functions:
        inner.append(f"{_FLAT} - sum({_FLAT}) OVER w / count(value) OVER w AS deviation")
    if any(name in PERCENTILES for name in functions):
        inner.append("row_number() OVER v - 1 AS rank")
        inner.append("count(value) OVER w - 1 AS top")
    for name in functions:
        if name == "stddev":
            square = f"CASE WHEN abs(deviation) > {_NARROW} THEN deviation * deviation ELSE 0.0 END"
            outer.extend((f"sum({square})", "count(value)", "max(abs(value))"))
        else:
            share = PERCENTILES[name]
            rank = f"top * {share} / 100"
            outer.append(f"max(CASE WHEN rank = {rank} THEN value END)")
            outer.append(f"max(CASE WHEN rank = ({rank}) + 1 THEN value END)")
            outer.append(f"max(top * {share} % 100)")
    return inner, outer


def finish(functions: Sequence[str], values: Sequence[float | int | None]) -> list[float | None]:
    """Fold one row of `sql_columns`' aggregates into one number a function.

    What is beyond doubles on the way is null, as an infinity that was sent is.
    """
    answer: list[float | None] = []
    for at, name in enumerate(functions):
        one, two, three = values[3 * at : 3 * at + 3]
        if name == "stddev":
            squares, count, widest = one or 0.0, two or 0, three or 0.0
            told = count > 1 and widest <= _WIDE
            answer.append(math.sqrt(squares / (count - 1)) if told else None)
        else:
            if one is not None and two is not None and three:
                one += (two - one) * three / 100
            answer.append(one)
    return [None if number is None or not math.isfinite(number) else number for number in answer]
