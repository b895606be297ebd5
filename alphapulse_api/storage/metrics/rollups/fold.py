"""A rollup: the aggregate of the points of a series in one bucket, and joins of rollups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.metrics.rollups.sums import add, mean, rounded

MINUTE: Final = 60_000_000  # microseconds
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
T = TypeVar("T")

# Finest first; each divides the next. So a bucket of any interval of `auto` from 1m on is at most
# seven rollups; with only a minute, an hour and a day, a bucket of 30m would be thirty. Days divide
# weeks, because both begin at midnight.
WIDTHS: Final = (MINUTE, 15 * MINUTE, 4 * HOUR, DAY)

Point = tuple[int, float | None]  # microseconds since the epoch, value


class Rollup(NamedTuple):
    """The aggregate of a bucket; nulls are only counted."""

    counted: int  # values
    empty: int  # nulls
    sum: float  # the parts of a `Sum`
    sum_low: float
    sum_rest: str | None
    min: float | None
    max: float | None
    first: float | None
    first_at: int | None
    last: float | None
    last_at: int | None


def roll(points: Sequence[Point]) -> Rollup:
    """The rollup of points (at least one) in order of time."""
    if len(points) == 1 and (value := points[0][1]) is not None:
        at = points[0][0]
        return Rollup(1, 0, value + 0.0, 0.0, None, value, value, value, at, value, at)
    known = [point for point in points if point[1] is not None]
    if not known:
        return Rollup(0, len(points), 0.0, 0.0, None, None, None, None, None, None, None)
    (first_at, first), (last_at, last) = known[0], known[-1]
    values: list[float] = [value for _, value in known]  # type: ignore[misc]
    return Rollup(
        len(values),
        len(points) - len(values),
        *add(values),
        min(values),
        max(values),
        first,
        first_at,
        last,
        last_at,
    )


def join(rollups: Sequence[Row]) -> Rollup:
    """Join rollups (at least one); of two with the same instant, the later one wins.

    Args:
        rollups: each a `Rollup`, or its columns as they were read. Columns that were not read are
            None in all of them (0 if they count), and in the result.
    """
    if len(rollups) == 1:
        return Rollup._make(rollups[0])
    if len(rollups) == 2:
        return _joined(*rollups)
    (counts, empties, highs, lows, rests, lowest, highest,
     firsts, first_times, lasts, last_times) = zip(*rollups, strict=True)  # fmt: skip
    numbers = [number for number in highs + lows if number]
    first_at, first = _end(first_times, firsts, first=True)
    last_at, last = _end(last_times, lasts, first=False)
    return Rollup(
        sum(counts),
        sum(empties),
        *add(numbers or (0.0,), [rest for rest in rests if rest]),
        min(_known(lowest), default=None),
        max(_known(highest), default=None),
        first,
        first_at,
        last,
        last_at,
    )


def _known(column: Sequence[T | None]) -> list[T]:
    if column[0] is None and column.count(None) == len(column):
        return []  # like most columns that were not read
    return [value for value in column if value is not None]


def _end(
    times: Sequence[int | None], values: Sequence[float | None], *, first: bool
) -> tuple[int | None, float | None]:
    """The first or last instant with its value; of equal instants, the later rollup."""
    known = _known(times)
    if not known:
        return None, None
    best = min(known) if first else max(known)
    return best, next(
        v for at, v in zip(reversed(times), reversed(values), strict=True) if at == best
    )


def _joined(one: Row, other: Row) -> Rollup:
    """Like `join` for two rollups, in a third of the time."""
    counted, empty, high, low, rest, least, most, first, first_at, last, last_at = one
    (counted_2, empty_2, high_2, low_2, rest_2, least_2, most_2,
     first_2, first_at_2, last_2, last_at_2) = other  # fmt: skip
    if first_at is None or (first_at_2 is not None and first_at_2 <= first_at):
        first, first_at = first_2, first_at_2
    if last_at is None or (last_at_2 is not None and last_at_2 >= last_at):
        last, last_at = last_2, last_at_2
    if least is None or (least_2 is not None and least_2 < least):
        least = least_2
    if most is None or (most_2 is not None and most_2 > most):
        most = most_2
    return Rollup(
        counted + counted_2,
        empty + empty_2,
        *add(
            (high or 0.0, low or 0.0, high_2 or 0.0, low_2 or 0.0),
            [part for part in (rest, rest_2) if part],
        ),
        least,
        most,
        first,
        first_at,
        last,
        last_at,
    )


def _sum(rollup: Rollup) -> float | None:
    return rounded(rollup.sum) if rollup.counted else None


def _avg(rollup: Rollup) -> float | None:
    if not rollup.counted:
        return None
    return mean(rollup.sum, rollup.sum_low, rollup.sum_rest, rollup.counted)


class Reading(NamedTuple):
    """A function over buckets: the columns that it needs, and how it is computed."""

    columns: frozenset[str]
    figure: Callable[[Rollup], float | int | None]


_SUM: Final = frozenset({"counted", "sum", "sum_low", "sum_rest"})
READINGS: Final[Mapping[str, Reading]] = {
    "count": Reading(frozenset({"counted"}), lambda rollup: rollup.counted),
    "sum": Reading(_SUM, _sum),
    "avg": Reading(_SUM, _avg),
    "min": Reading(frozenset({"min"}), lambda rollup: rollup.min),
    "max": Reading(frozenset({"max"}), lambda rollup: rollup.max),
    "first": Reading(frozenset({"first", "first_at"}), lambda rollup: rollup.first),
    "last": Reading(frozenset({"last", "last_at"}), lambda rollup: rollup.last),
}
