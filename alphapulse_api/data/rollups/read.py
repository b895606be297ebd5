"""Buckets out of rollups: the coarsest that fit, finer ones at the ends, points at the very ends.

A page is filled in windows of whole buckets, so that it costs what it shows and not what the range
holds. The figures are those that the points themselves would give, to the last digit.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from alphapulse_api.data.aggregation import Aggregation
from alphapulse_api.data.engine.base import Engine, Row
from alphapulse_api.data.rollups.fold import MINUTE, READINGS, WIDTHS, Rollup, join, roll
from alphapulse_api.data.rollups.ranks import ranked
from alphapulse_api.errors import ValidationProblem

# Points that one answer may read, where rollups cannot give it.
MAX_POINTS: Final = 2_000_000
# Rows to read and to fold at once: some 20 ms of the event loop's time.
PIECE: Final = 5_000

Bucket = tuple[int, int]  # its start, the series
Figures = dict[str, float | int | None]


class Segment(NamedTuple):
    """A range [start, end) and what to read there: rollups of a width, or points (0)."""

    width: int
    start: int
    end: int


def segments(start: int, end: int, widths: Sequence[int]) -> Iterator[Segment]:
    """Cut [start, end) into whole rollups of the widest of these widths and, at both ends, what is
    left into whole ones of the others, and at last into points. Two pieces a width at most."""
    if start >= end:
        return
    if not widths:
        yield Segment(0, start, end)
        return
    width, finer = widths[-1], widths[:-1]
    first, last = -(-start // width) * width, end // width * width
    if first >= last:
        yield from segments(start, end, finer)
        return
    yield Segment(width, first, last)
    yield from segments(start, first, finer)
    yield from segments(last, end, finer)


class RollupReader:
    """Answers about the series of one question.

    Args:
        engine: where the rollups are.
        numbers: the series, at least one.
    """

    def __init__(self, engine: Engine, numbers: Sequence[int]) -> None:
        self._engine = engine
        self._count = len(numbers)
        self._ids = engine.listed(sorted(numbers))
        self._among = engine.among("series_id", "$1")

    async def page(
        self, question: Aggregation, start: int, end: int, limit: int, after: Bucket | None
    ) -> list[tuple[Bucket, Figures]]:
        """Up to `limit` buckets that have points, by start and series, each with its figures.

        Args:
            start: the range's first microsecond.
            end: the microsecond after its last.
            after: the bucket that the page before ended with.

        Raises:
            ValidationProblem: if rollups do not give the answer and too many points would be read.
        """
        plain = [name for name in question.functions if name in READINGS]
        ranks = [name for name in question.functions if name not in READINGS]
        rows = [
            (bucket, {name: READINGS[name].figure(rollup) for name in plain})
            for bucket, rollup in await self._page(
                question.width, plain or ["count"], start, end, limit, after
            )
        ]
        if not ranks or not rows:
            return rows
        width = question.width
        start, end = max(start, rows[0][0][0]), min(end, rows[-1][0][0] + width)
        await self._bound(start, end, 0, "aggregation", _FEWER_RANKS.format(", ".join(ranks)))
        figures = await ranked(self._engine, self._ids, ranks, width, start, end)
        # Where retention has taken the points, there is nothing to rank.
        none: Figures = dict.fromkeys(ranks)
        return [(bucket, {**found, **figures.get(bucket, none)}) for bucket, found in rows]

    async def _page(
        self,
        width: int,
        functions: Sequence[str],
        start: int,
        end: int,
        limit: int,
        after: Bucket | None,
    ) -> list[tuple[Bucket, Rollup]]:
        wanted = frozenset().union(*(READINGS[name].columns for name in functions))
        widths = [finer for finer in WIDTHS if width % finer == 0]
        bucket = start // width if after is None else max(start // width, after[0] // width)
        last = (end - 1) // width
        a_bucket = self._count * (width // widths[-1] if widths else 1)  # rows of it, if dense
        window = max(1, min(-(-limit // self._count), PIECE // a_bucket))
        rows: list[tuple[Bucket, Rollup]] = []
        read = 0
        while bucket <= last and len(rows) < limit:
            until = min(bucket + window, last + 1)
            low, high = max(start, bucket * width), min(end, until * width)
            if not widths:
                detail = _WIDER.format(width / 1_000_000)
                read = await self._bound(low, high, read, "interval", detail)
            parts: dict[Bucket, list[Row]] = {}
            found = await self._gather(parts, width, segments(low, high, widths), wanted)
            buckets = sorted(key for key in parts if after is None or key > after)
            rows += [(key, join(parts[key])) for key in buckets[: limit - len(rows)]]
            bucket = until
            if found < PIECE // 2:
                window *= 2
        return rows

    async def _gather(
        self,
        parts: dict[Bucket, list[Row]],
        width: int,
        cut: Iterator[Segment],
        wanted: frozenset[str],
    ) -> int:
        """Read segments and put what they hold to their buckets; returns how many rows it was."""
        found = 0
        rolled = []
        for segment in cut:
            if segment.width:
                rolled.append(segment)
                continue
            async for rows in self._points(segment.start, segment.end):
                found += len(rows)
                for (number, bucket), points in groupby(rows, lambda r: (r[0], r[1] // width)):
                    parts.setdefault((bucket * width, number), []).append(
                        roll([(row[1], row[2]) for row in points])
                    )
        if rolled:
            rows = await self._rollups(rolled, wanted)
            found += len(rows)
            for row in rows:
                parts.setdefault((row[1] // width * width, row[0]), []).append(row[2:])
        return found

    async def _rollups(self, cut: Sequence[Segment], wanted: frozenset[str]) -> Sequence[Row]:
        # A column that nobody needs is not even read: half of the time goes into making values.
        kept, of_a_point = (
            ", ".join(
                spelled[name] if name in wanted else "0" if name in ("counted", "empty") else "NULL"
                for name in Rollup._fields
            )
            for spelled in (_KEPT, _OF_A_POINT)
        )
        return await self._union(
            f"series_id, bucket, {kept}", f"p.series_id, p.timestamp, {of_a_point}", cut
        )

    async def _union(self, columns: str, of_points: str, cut: Sequence[Segment]) -> Sequence[Row]:
        """What segments of rollups hold: rows of rollups, and of the points in none yet.

        Both by one statement, for between two a writer may fold points.
        """
        args: list[object] = [self._ids]
        selects = []
        for segment in cut:
            width, start, end = (f"${len(args) + n}" for n in (1, 2, 3))
            args += segment
            selects.append(
                f"SELECT {columns} FROM metric_rollups WHERE {self._among} "
                f"AND width = {width} AND bucket >= {start} AND bucket < {end}"
            )
        start, end = (f"${len(args) + n}" for n in (1, 2))
        # Segments join without a gap.
        args += (min(segment.start for segment in cut), max(segment.end for segment in cut))
        # One lower bound: of two, SQLite would use either.
        tail = self._engine.joined(
            "metric_points",
            "p",
            "p.series_id = s.series_id AND p.timestamp >= "
            f"CASE WHEN s.tail_at > {start} THEN s.tail_at ELSE {start} END "
            f"AND p.timestamp < {end}",
            "p.timestamp",
        )
        among = self._engine.among("s.series_id", "$1")
        selects.append(
            f"SELECT {of_points} FROM series_spans s {tail} WHERE {among} AND s.tail_at < {end}"
        )
        return await self._engine.fetch(" UNION ALL ".join(selects), *args)

    async def _points(self, start: int, end: int) -> AsyncIterator[Sequence[Row]]:
        """The points of [start, end) in pieces, each in the order of series and time."""
        slices = 1
        if end - start > MINUTE:
            slices += await self._stored(start, end) // PIECE
        for n in range(slices):
            low, high = (start + (end - start) * edge // slices for edge in (n, n + 1))
            yield await self._engine.fetch(
                f"SELECT series_id, timestamp, value FROM metric_points WHERE {self._among} "
                "AND timestamp >= $2 AND timestamp < $3 ORDER BY series_id, timestamp",
                self._ids, low, high,
            )  # fmt: skip

    async def _stored(self, start: int, end: int) -> int:
        """How many points [start, end) holds, give or take those of a minute at each end."""
        low, high = start // MINUTE * MINUTE, -(-end // MINUTE) * MINUTE
        cut = list(segments(low, high, WIDTHS))
        rows = await self._union("sum(counted + empty)", "count(*)", cut)
        return sum(int(row[0] or 0) for row in rows)

    async def _bound(self, start: int, end: int, read: int, parameter: str, detail: str) -> int:
        """`read` and the points of [start, end), which may not be too many."""
        read += await self._stored(start, end)
        if read > MAX_POINTS:
            raise ValidationProblem.parameter(
                parameter,
                f"this reads {read:,} points, and at most {MAX_POINTS:,} are read: {detail}",
            )
        return read


# How the columns of a rollup are spelled, where it is kept, and where it is that of one point.
_KEPT: Final = {name: name for name in Rollup._fields}
_INSTANT: Final = "CASE WHEN p.value IS NOT NULL THEN p.timestamp END"
_OF_A_POINT: Final = {
    **dict.fromkeys(Rollup._fields, "p.value"),
    "counted": "CASE WHEN p.value IS NULL THEN 0 ELSE 1 END",
    "empty": "CASE WHEN p.value IS NULL THEN 1 ELSE 0 END",
    "sum": "coalesce(p.value, 0.0)",
    "sum_low": "0.0",
    "sum_rest": "NULL",
    "first_at": _INSTANT,
    "last_at": _INSTANT,
}
_FEWER_RANKS: Final = (
    "ask for {} of a shorter range, of fewer series or in smaller pages, or for other functions, "
    "which are kept in advance"
)
_WIDER: Final = (
    "ask for a shorter range, for fewer series, for smaller pages, or for buckets of whole minutes "
    "in the place of {:g} seconds, which are kept in advance"
)
