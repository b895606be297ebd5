"""Stores points and updates the rollups, in one transaction.

The newest points of a series, its tail, are not in rollups yet, so `read` reads them too. Folding
each point on its own would change a row of every width. So the tail is folded once it is long
enough, by the transaction that stores the next point. Older points are folded at once. Rollups
therefore always contain exactly the points before the tail.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from alphapulse_api.domain.newest import overtakes
from alphapulse_api.domain.times import CLOCK_AHEAD, FIRST_MICROS, now, to_micros
from alphapulse_api.storage.bulk import ROWS, insert_rows, select_ranges, select_rows
from alphapulse_api.storage.engine.base import Engine, Row, Transaction
from alphapulse_api.storage.metrics.rollups.change import Change, Replaced
from alphapulse_api.storage.metrics.rollups.fold import DAY, Point
from alphapulse_api.storage.metrics.rollups.sketches import Corrections

A_TURN: Final = 500  # series processed before a yield to the loop: about 1 ms
TAIL: Final = 64  # the maximum length of a tail; a reader folds it in about 0.1 ms
# Of a series: number, number of points, first and last instant, first instant and size of the tail.
_Size = tuple[int, int, int, int, int | None, int]
# The same, and the instant of the latest point if that is not the last one.
_Grown = tuple[int, int, int, int, int | None, int, int | None]
_POINTS: Final = "metric_points (series_id, timestamp, value)"
_POINT_TYPES: Final = ("bigint", "timestamptz", "float8")
_REPLACE: Final = "ON CONFLICT (series_id, timestamp) DO UPDATE SET value = excluded.value"
_BEYOND: Final = 2**62  # microseconds; after every instant
_GROWN_TYPES: Final = (
    "bigint", "bigint", "timestamptz", "timestamptz", "timestamptz", "bigint", "timestamptz",
)  # fmt: skip
_GROW: Final = "ON CONFLICT (series_id) DO UPDATE SET " + ", ".join(
    f"{column} = excluded.{column}"
    for column in ("points", "first_at", "last_at", "tail_at", "unfolded", "latest_at")
)


class _Span(NamedTuple):
    """A row of `series_spans`."""

    number: int
    points: int
    first_at: int | None
    last_at: int | None
    whole_from: int | None
    tail_at: int | None
    unfolded: int
    latest_at: int | None
    sketched_at: int | None
    token: int

    @property
    def folded(self) -> int:
        """The instant up to which the rollups contain the points."""
        if self.tail_at is not None:
            return self.tail_at
        return FIRST_MICROS if self.last_at is None else self.last_at + 1


class _Fold(NamedTuple):
    """The points of a series that are to be folded."""

    span: _Span  # before the change
    fresh: Sequence[Point]  # new points
    tail: int | None  # fold also the stored points from this instant on
    changed: Sequence[Replaced]
    until: int  # the instant up to which the rollups will contain the points


async def lock_spans(
    engine: Engine, transaction: Transaction, numbers: Iterable[int]
) -> Sequence[Row]:
    """Lock series until the commit; return the spans of those that exist, as rows of a `_Span`.

    The last value is the token of the series; see `series`.
    """
    # All writers lock in the same order, so that they do not deadlock.
    ordered = sorted(numbers)
    spans: list[Row] = []
    for at in range(0, len(ordered), ROWS):
        spans += await transaction.fetch(
            "SELECT series_id, points, first_at, last_at, whole_from, tail_at, unfolded, "
            "latest_at, sketched_at, token "
            f"FROM series_spans WHERE {engine.among('series_id', '$1')} "
            f"ORDER BY series_id {engine.locked}",
            engine.listed(ordered[at : at + ROWS]),
        )
    return spans


async def store_points(
    transaction: Transaction,
    spans: Sequence[Row],
    points: Mapping[int, Mapping[int, float | None]],
    ahead: int = int(CLOCK_AHEAD * 1_000_000),
) -> Collection[tuple[int, int]]:
    """Store points by series and instant, replacing stored ones; return which were there.

    Args:
        transaction: the one that locked the series.
        spans: of all of these series, as `lock_spans` returns them.
        points: the values, by number of the series and microseconds.
        ahead: microseconds by which the clock of a sender may be ahead.
    """
    at_now = to_micros(now())
    in_order = {
        number: sorted(series.items()) if len(series) > 1 else list(series.items())
        for number, series in points.items()
    }
    await transaction.turn()
    there = await _there(transaction, spans, in_order)
    new: list[Row] = []
    replacing: list[Row] = []
    grown: list[_Grown] = []
    folds: list[_Fold] = []
    corrections = Corrections()
    for place, span in enumerate(spans):
        if place % A_TURN == 0:
            await transaction.turn()
        number, count, first_at, last_at, _, tail_at, unfolded, *_ = span
        series = in_order[number]
        if (
            (last_at is None or series[0][0] > last_at)
            and unfolded + len(series) < _limit(number)
        ):  # fmt: skip
            # The common case: a few points after all others only extend the tail.
            first, last = series[0][0], series[-1][0]
            new += [(number, at, value) for at, value in series]
            grown.append(
                (number, count + len(series), first if first_at is None else first_at, last,
                 first if tail_at is None else tail_at, unfolded + len(series), None)
            )  # fmt: skip
            continue
        fresh, changed = _apart(number, series, there)
        new += [(number, at, value) for at, value in fresh]
        replacing += [(number, at, value) for (at, value), _ in changed]
        made = _Span._make(span)
        if made.sketched_at is not None:
            corrections.add(number, made.sketched_at, fresh, changed)
        after, fold = _entered(made, fresh, changed)
        if after is not None:
            grown.append((*after, _latest(made, fresh, at_now, ahead)))
        if fold is not None:
            folds.append(fold)
    # The series are locked, so new points cannot conflict. ON CONFLICT would cost PostgreSQL half
    # as much again.
    await insert_rows(transaction, _POINTS, new, "", _POINT_TYPES)
    await insert_rows(transaction, _POINTS, replacing, _REPLACE, _POINT_TYPES)
    await _fold(transaction, folds)
    await corrections.write(transaction)
    await insert_rows(
        transaction,
        "series_spans (series_id, points, first_at, last_at, tail_at, unfolded, latest_at)",
        grown,
        _GROW,
        _GROWN_TYPES,
    )
    return there.keys()


async def settle(engine: Engine, transaction: Transaction, numbers: Iterable[int]) -> None:
    """Lock series and fold their tails; then the rollups contain every stored point."""
    rows = await lock_spans(engine, transaction, numbers)
    spans = [span for span in map(_Span._make, rows) if span.tail_at is not None]
    await _fold(transaction, [_Fold(span, (), span.tail_at, (), _BEYOND) for span in spans])
    for span in spans:
        await transaction.execute(
            "UPDATE series_spans SET tail_at = NULL, unfolded = 0 WHERE series_id = $1",
            span.number,
        )


async def shorten(transaction: Transaction, number: int) -> None:
    """Shorten the span of a settled series to its rollups, after whole days were deleted."""
    ((points, bucket),) = await transaction.fetch(
        "SELECT sum(counted + empty), min(bucket) FROM metric_rollups "
        "WHERE series_id = $1 AND width = $2",
        number, DAY,
    )  # fmt: skip
    rows = await transaction.fetch(
        "SELECT first_at FROM metric_rollups WHERE series_id = $1 AND width = $2 AND bucket = $3 "
        "UNION ALL SELECT min(timestamp) FROM metric_points WHERE series_id = $1",
        number, DAY, bucket,
    )  # fmt: skip
    # Rollups do not keep the instants of nulls, and a day may begin with nulls or have only nulls.
    # The span must include stored nulls, because reads begin at it.
    first = min((row[0] for row in rows if row[0] is not None), default=bucket)
    await transaction.execute(
        "UPDATE series_spans SET points = $2, first_at = $3 WHERE series_id = $1",
        number, int(points or 0), first,
    )  # fmt: skip


def _limit(number: int) -> int:
    """The length of the tail at which a series is folded."""
    # It differs: series of one program grow together, and folding all of them in one batch would
    # make it many times slower than the others.
    half = TAIL // 2
    return half + number % half


async def _there(
    transaction: Transaction, spans: Sequence[Row], in_order: Mapping[int, Sequence[Point]]
) -> dict[tuple[int, int], float | None]:
    """The stored points with the same instants; points after all stored ones need no query."""
    keys: list[tuple[int, int]] = []
    for number, _, first, last, *_ in spans:
        series = in_order[number]
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
) -> tuple[Sequence[Point], Sequence[Replaced]]:
    """The new points, and the changed ones with their old values."""
    if not there:
        return series, ()
    fresh: list[Point] = []
    changed: list[Replaced] = []
    for point in series:
        key = (number, point[0])
        if key not in there:
            fresh.append(point)
        elif there[key] != point[1]:
            changed.append((point, there[key]))
    return fresh, changed


def _entered(
    span: _Span, fresh: Sequence[Point], changed: Sequence[Replaced]
) -> tuple[_Size | None, _Fold | None]:
    """The new size of a series, if it grows, and the points to fold, if any."""
    number, count, first_at, last_at, _, tail_at, unfolded, *_ = span
    folded = span.folded
    late = [point for point in fresh if point[0] < folded]
    tail = fresh[len(late) :]
    changed = [pair for pair in changed if pair[0][0] < folded]
    fold = None
    unfolded += len(tail)
    if unfolded >= _limit(number):
        fold = _Fold(span, fresh if tail_at is None else late, tail_at, changed, _BEYOND)
        tail_at, unfolded = None, 0
    else:
        if tail and tail_at is None:
            tail_at = tail[0][0]
        if late or changed:
            fold = _Fold(span, late, None, changed, _BEYOND if tail_at is None else tail_at)
    if not fresh:
        return None, fold
    first, last = fresh[0][0], fresh[-1][0]
    if first_at is not None and last_at is not None:
        first, last = min(first, first_at), max(last, last_at)
    return (number, count + len(fresh), first, last, tail_at, unfolded), fold


def _latest(span: _Span, fresh: Sequence[Point], at_now: int, ahead: int) -> int | None:
    """The instant of the latest point after new ones are stored; None if it is the last one."""
    last, newest = span.last_at, fresh[-1][0]
    if last is None or newest >= last:
        return None
    known = last if span.latest_at is None else span.latest_at
    return newest if overtakes(newest, known, at_now, ahead) else span.latest_at


async def _fold(transaction: Transaction, folds: Sequence[_Fold]) -> None:
    tails: dict[int, list[Point]] = {}
    rows = await select_ranges(
        transaction,
        "SELECT series_id, timestamp, value FROM metric_points",
        ("series_id =", "timestamp >="),
        [(fold.span.number, fold.tail) for fold in folds if fold.tail is not None],
        "ORDER BY series_id, timestamp",
    )
    for number, at, value in rows:
        tails.setdefault(number, []).append((at, value))
    change = Change()
    for fold in folds:
        number, whole_from = fold.span.number, fold.span.whole_from
        change.add(
            number,
            [*fold.fresh, *tails.get(number, ())],
            fold.changed,
            before=fold.span.folded,
            until=fold.until,
            whole_from=FIRST_MICROS if whole_from is None else whole_from,
        )
    await change.write(transaction)
