"""Storing points and what they change in the rollups, in one transaction.

Points that are new are joined to the rollups that there are. Where a point is replaced, its minute
is computed again from the stored points, and what is above it from what is below; but a minute of
which retention has deleted points is not, because they are in its rollup alone: there
the difference is joined. (A smaller extreme value that was replaced stays one there.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from alphapulse_api.data.bulk import insert_rows, select_ranges, select_rows
from alphapulse_api.data.engine.base import Engine, Transaction
from alphapulse_api.data.rollups.fold import DAY, MINUTE, WIDTHS, Point, Rollup, join, roll
from alphapulse_api.data.rollups.sums import add
from alphapulse_api.times import FIRST_MICROS

COLUMNS: Final = ", ".join(Rollup._fields)
_KEY: Final = "(series_id, width, bucket)"
_INTO: Final = f"metric_rollups (series_id, width, bucket, {COLUMNS})"
_REPLACE: Final = f"ON CONFLICT {_KEY} DO UPDATE SET " + ", ".join(
    f"{column} = excluded.{column}" for column in Rollup._fields
)

Key = tuple[int, int, int]  # series, width, bucket
Rolled = dict[Key, Rollup]


class _Span(NamedTuple):
    points: int
    first_at: int | None
    last_at: int | None
    whole_from: int


class _Change(NamedTuple):
    """What a batch changes, the points as such apart."""

    rolled: Rolled  # to be joined to what there is
    again: set[tuple[int, int]]  # series and minute, to be computed again


async def store_points(
    engine: Engine, transaction: Transaction, points: Mapping[int, Mapping[int, float | None]]
) -> None:
    """Store points by series and instant, each in the place of one that is there already."""
    # Writers of one series take turns; the order is the same for all, so that none wait in a ring.
    numbers = sorted(points)
    rows = await transaction.fetch(
        "SELECT series_id, points, first_at, last_at, whole_from FROM series_spans "
        f"WHERE {engine.among('series_id', '$1')} ORDER BY series_id {engine.locked}",
        engine.listed(numbers),
    )
    spans = {
        row[0]: _Span(row[1], row[2], row[3], FIRST_MICROS if row[4] is None else row[4])
        for row in rows
    }
    in_order = {number: sorted(points[number].items()) for number in numbers}
    there = await _there(transaction, spans, in_order)
    new: list[tuple[int, int, float | None]] = []
    grown: list[tuple[Any, ...]] = []
    change = _Change({}, set())
    for number, series in in_order.items():
        span = spans[number]
        fresh, changed = _apart(number, series, there)
        new += [(number, *point) for point in (*fresh, *(point for point, _ in changed))]
        if fresh or changed:
            _enter(change, number, span, fresh, changed)
        if fresh:
            first, last = fresh[0][0], fresh[-1][0]
            if span.first_at is not None and span.last_at is not None:
                first, last = min(first, span.first_at), max(last, span.last_at)
            grown.append((number, span.points + len(fresh), first, last))
    await insert_rows(
        transaction,
        "metric_points (series_id, timestamp, value)",
        new,
        "ON CONFLICT (series_id, timestamp) DO UPDATE SET value = excluded.value",
    )
    await _join(transaction, spans, change.rolled)
    await _again(transaction, change.again)
    await insert_rows(
        transaction,
        "series_spans (series_id, points, first_at, last_at)",
        grown,
        "ON CONFLICT (series_id) DO UPDATE SET points = excluded.points, "
        "first_at = excluded.first_at, last_at = excluded.last_at",
    )


async def shorten(transaction: Transaction, number: int) -> None:
    """Let a series' span begin where its rollups do, of which whole days have been deleted."""
    ((points, bucket),) = await transaction.fetch(
        "SELECT sum(counted + empty), min(bucket) FROM metric_rollups "
        "WHERE series_id = $1 AND width = $2",
        number, DAY,
    )  # fmt: skip
    rows = await transaction.fetch(
        "SELECT first_at FROM metric_rollups WHERE series_id = $1 AND width = $2 AND bucket = $3",
        number, DAY, bucket,
    )  # fmt: skip
    # Of a day of nothing but nulls no instant is kept.
    first = next((row[0] for row in rows if row[0] is not None), bucket)
    await transaction.execute(
        "UPDATE series_spans SET points = $2, first_at = $3 WHERE series_id = $1",
        number, int(points or 0), first,
    )  # fmt: skip


async def replace(transaction: Transaction, rolled: Mapping[Key, Rollup]) -> None:
    """Store rollups in the place of those that there are."""
    await insert_rows(transaction, _INTO, [key + value for key, value in rolled.items()], _REPLACE)


def coarser(number: int, rolled: Iterable[tuple[int, Rollup]], width: int) -> Rolled:
    """Rollups of one series in buckets of `width`, from finer ones in the order of time."""
    return {
        (number, width, bucket): join([rollup for _, rollup in parts])
        for bucket, parts in groupby(rolled, key=lambda part: part[0] - part[0] % width)
    }


async def _there(
    transaction: Transaction,
    spans: Mapping[int, _Span],
    in_order: Mapping[int, Sequence[Point]],
) -> dict[tuple[int, int], float | None]:
    """The stored points with the instants of these; none are asked for that come after all."""
    keys: list[tuple[int, int]] = []
    for number, series in in_order.items():
        _, first, last, _ = spans[number]
        if first is not None and last is not None and series[0][0] <= last:
            keys += [(number, at) for at, _ in series if first <= at <= last]
    found = await select_rows(
        transaction,
        "series_id, timestamp, value",
        "metric_points",
        ("series_id", "timestamp"),
        keys,
        ("bigint", "timestamptz"),
    )
    return {(row[0], row[1]): row[2] for row in found}


def _apart(
    number: int, series: Sequence[Point], there: Mapping[tuple[int, int], float | None]
) -> tuple[Sequence[Point], list[tuple[Point, float | None]]]:
    """The points that are new, and those that change one, with its old value."""
    if not there:
        return series, []
    fresh: list[Point] = []
    changed: list[tuple[Point, float | None]] = []
    for point in series:
        key = (number, point[0])
        if key not in there:
            fresh.append(point)
        elif there[key] != point[1]:
            changed.append((point, there[key]))
    return fresh, changed


def _enter(
    change: _Change,
    number: int,
    span: _Span,
    fresh: Sequence[Point],
    changed: Sequence[tuple[Point, float | None]],
) -> None:
    """Note what a series' points change in its rollups."""
    if not changed and fresh[0][0] // MINUTE == fresh[-1][0] // MINUTE:
        # As most batches are: one rollup for all widths.
        rollup, at = roll(fresh), fresh[0][0]
        change.rolled.update({(number, width, at - at % width): rollup for width in WIDTHS})
        return
    again = {at - at % MINUTE for (at, _), _ in changed if at >= span.whole_from}
    change.again.update((number, minute) for minute in again)
    rolled = [
        (minute, roll(list(points)))
        for minute, points in groupby(fresh, key=lambda point: point[0] - point[0] % MINUTE)
        if minute not in again
    ]
    rolled += [(p[0] - p[0] % MINUTE, _difference(*p, old)) for p, old in changed
               if p[0] < span.whole_from]  # fmt: skip
    rolled.sort(key=lambda part: part[0])
    parts = rolled
    for width in WIDTHS:
        # What is computed again takes in all that is below it.
        skipped = {at - at % width for at in again}
        made = coarser(number, (part for part in parts if part[0] - part[0] % width not in skipped),
                       width)  # fmt: skip
        change.rolled.update(made)
        parts = [(key[2], rollup) for key, rollup in made.items()]


def _difference(at: int, new: float | None, old: float | None) -> Rollup:
    """What joins a changed value to a rollup that its old one is in."""
    count = (new is not None) - (old is not None)
    parts = [part for part in (new, -old if old is not None else None) if part is not None]
    when = None if new is None else at
    return Rollup(count, -count, *add(parts), new, new, new, when, new, when)


async def _join(transaction: Transaction, spans: Mapping[int, _Span], rolled: Rolled) -> None:
    keys = []
    for number, width, bucket in rolled:
        last = spans[number].last_at
        if last is not None and bucket <= last:
            keys.append((number, width, bucket))
    rows = await select_rows(
        transaction,
        f"series_id, width, bucket, {COLUMNS}",
        "metric_rollups",
        ("series_id", "width", "bucket"),
        keys,
        ("bigint", "bigint", "timestamptz"),
    )
    for row in rows:
        key = (row[0], row[1], row[2])
        rolled[key] = join((row[3:], rolled[key]))
    await replace(transaction, rolled)


async def _again(transaction: Transaction, minutes: set[tuple[int, int]]) -> None:
    """Compute minutes again from their points, and what is above them from what is below it."""
    if not minutes:
        return
    finer = 0
    for width in WIDTHS:
        buckets = sorted({(number, at - at % width) for number, at in minutes})
        ranges = [(number, bucket, bucket + width) for number, bucket in buckets]
        rolled: Rolled = {}
        if not finer:
            rows = await select_ranges(
                transaction,
                "SELECT series_id, timestamp, value FROM metric_points",
                ("series_id =", "timestamp >=", "timestamp <"),
                ranges,
                "ORDER BY series_id, timestamp",
            )
            for (number, bucket), points in groupby(
                rows, key=lambda r: (r[0], r[1] - r[1] % width)
            ):
                rolled[number, width, bucket] = roll([(row[1], row[2]) for row in points])
        else:
            rows = await select_ranges(
                transaction,
                f"SELECT series_id, bucket, {COLUMNS} FROM metric_rollups",
                ("series_id =", "width =", "bucket >=", "bucket <"),
                [(number, finer, start, end) for number, start, end in ranges],
                "ORDER BY series_id, bucket",
            )
            for number, parts in groupby(rows, key=lambda row: int(row[0])):
                finer_ones = ((row[1], Rollup(*row[2:])) for row in parts)
                rolled.update(coarser(number, finer_ones, width))
        await replace(transaction, rolled)
        finer = width
