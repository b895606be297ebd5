"""Reads the stored data of some series: rollups, points not yet in rollups, sketches and points."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from alphapulse_api.storage.engine.base import Engine, Row
from alphapulse_api.storage.metrics.rollups.fold import MINUTE, WIDTHS, Rollup
from alphapulse_api.storage.threads import off_loop

# Rows to read at once: PostgreSQL's driver takes some 5 ms of the event loop's time for as many.
PIECE: Final = 5_000


class Segment(NamedTuple):
    """A range [start, end) and what to read there: rollups of a width, or points (0).

    With `cells`, the rollups that begin there are left out; with a `cell` width as well, only those
    in the buckets of that width that begin there are read.
    """

    width: int
    start: int
    end: int
    cell: int = 0
    cells: tuple[int, ...] = ()


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


class RollupSource:
    """Reads the stored rollups and points of some series.

    Args:
        engine: where they are stored.
        numbers: the series, at least one.

    Attributes:
        numbers: the same, in order.
    """

    def __init__(self, engine: Engine, numbers: Sequence[int]) -> None:
        self._engine = engine
        self.numbers = sorted(numbers)
        self._ids = engine.listed(self.numbers)
        self._among = engine.among("series_id", "$1")

    @property
    def count(self) -> int:
        """The number of series."""
        return len(self.numbers)

    async def rollups(self, cut: Sequence[Segment], wanted: frozenset[str]) -> Sequence[Row]:
        """Series, start and columns of the rollups in those segments, which are contiguous.

        The points that are in no rollup yet are returned as rollups of one point each.

        Args:
            wanted: the columns that are needed; the others are None, or 0 for counts.
        """
        # Unneeded columns are not read, because making values takes half of the time.
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

    async def sketches(
        self, cut: Sequence[Segment], columns: Sequence[str]
    ) -> tuple[list[Row], dict[int, int]]:
        """The stored distributions of values in those segments of hours and days.

        Args:
            cut: contiguous segments.
            columns: `moments`, `sketch` or both.

        Returns:
            Rows of series, start and those columns; and for each series with points that are not in
            them, the instant of the first such point, or an earlier one.
        """
        args: list[object] = [self._ids]
        selects = self._selects(
            args, "metric_sketches", f"series_id, bucket, {', '.join(columns)}", cut
        )
        # In one statement, because points may be added to the sketches between two statements.
        args.append(max(segment.end for segment in cut))
        end, nulls = f"${len(args)}", ", NULL" * len(columns)
        selects.append(
            f"SELECT series_id, coalesce(sketched_at, first_at){nulls} FROM series_spans "
            f"WHERE {self._among} AND first_at < {end} "
            f"AND (sketched_at IS NULL OR sketched_at < {end} AND sketched_at <= last_at)"
        )
        rows = await self._engine.fetch(" UNION ALL ".join(selects), *args)
        kept = [row for row in rows if row[2] is not None]
        return kept, {row[0]: row[1] for row in rows if row[2] is None}

    async def points(self, start: int, end: int) -> AsyncIterator[Sequence[Row]]:
        """Series, instant and value of the points of [start, end), in that order and in pieces."""
        if self.count == 1:
            async for rows in self._of_one(self.numbers[0], start, end):
                yield rows
            return
        if end - start <= MINUTE:
            rows = await self._engine.fetch(
                f"{_POINTS} WHERE {self._among} AND timestamp >= $2 AND timestamp < $3 "
                f"ORDER BY series_id, timestamp LIMIT {PIECE + 1}",
                self._ids, start, end,
            )  # fmt: skip
            if len(rows) <= PIECE:
                yield rows
                return
        stored = await self._stored(start, end)
        for numbers in await off_loop(len(stored) // 10, _groups, stored):
            if len(numbers) == 1:
                async for rows in self._of_one(numbers[0], start, end):
                    yield rows
            else:
                yield await self._of_some(numbers, start, end)

    async def stored(self, start: int, end: int) -> int:
        """The number of points in [start, end), exact but for a minute at each end."""
        return sum((await self._stored(start, end)).values())

    async def more_than(self, most: int, start: int, end: int) -> bool:
        """Whether [start, end) has more non-null points than that; reads no more than needed."""
        ((found,),) = await self._engine.fetch(
            f"SELECT count(*) FROM (SELECT 1 FROM metric_points WHERE {self._among} "
            f"AND timestamp >= $2 AND timestamp < $3 AND value IS NOT NULL LIMIT {most + 1}) p",
            self._ids, start, end,
        )  # fmt: skip
        return bool(found > most)

    async def deleted(self, start: int) -> bool:
        """Whether retention has deleted points from after that instant."""
        rows = await self._engine.fetch(
            f"SELECT 1 FROM series_spans WHERE {self._among} AND whole_from > $2 LIMIT 1",
            self._ids, start,
        )  # fmt: skip
        return bool(rows)

    async def _of_one(self, number: int, start: int, end: int) -> AsyncIterator[Sequence[Row]]:
        while True:
            rows = await self._engine.fetch(
                f"{_POINTS} WHERE series_id = $1 AND timestamp >= $2 AND timestamp < $3 "
                f"ORDER BY timestamp LIMIT {PIECE}",
                number, start, end,
            )  # fmt: skip
            if rows:
                yield rows
            if len(rows) < PIECE:
                return
            start = rows[-1][1] + 1

    async def _of_some(self, numbers: Sequence[int], start: int, end: int) -> Sequence[Row]:
        return await self._engine.fetch(
            f"{_POINTS} WHERE {self._among} AND timestamp >= $2 AND timestamp < $3 "
            "ORDER BY series_id, timestamp",
            self._engine.listed(numbers), start, end,
        )  # fmt: skip

    async def _stored(self, start: int, end: int) -> dict[int, int]:
        """Like `stored`, by series."""
        low, high = start // MINUTE * MINUTE, -(-end // MINUTE) * MINUTE
        cut = list(segments(low, high, WIDTHS))
        rows = await self._union(
            "series_id, sum(counted + empty)", "p.series_id, count(*)", cut, "GROUP BY {}series_id"
        )
        return await off_loop(len(rows) // 10, _totals, rows)

    async def _union(
        self, columns: str, of_points: str, cut: Sequence[Segment], ending: str = ""
    ) -> Sequence[Row]:
        """The rows of rollups in segments, and of the points that are in no rollup yet.

        One statement reads both, because a writer may fold points between two statements.
        """
        engine = self._engine
        args: list[object] = [self._ids]
        selects = self._selects(args, "metric_rollups", columns, cut, ending.format(""))
        # Segments are contiguous.
        args += (min(segment.start for segment in cut), max(segment.end for segment in cut))
        start, end = f"${len(args) - 1}", f"${len(args)}"
        # Only one lower bound, because SQLite may use the worse one of two.
        tail = engine.joined(
            "metric_points",
            "p",
            "p.series_id = s.series_id AND p.timestamp >= "
            f"CASE WHEN s.tail_at > {start} THEN s.tail_at ELSE {start} END "
            f"AND p.timestamp < {end}",
            "p.timestamp",
        )
        among = engine.among("s.series_id", "$1")
        selects.append(
            f"SELECT {of_points} FROM series_spans s {tail} WHERE {among} AND s.tail_at < {end} "
            + ending.format("p.")
        )
        return await engine.fetch(" UNION ALL ".join(selects), *args)

    def _selects(
        self,
        args: list[object],
        table: str,
        columns: str,
        cut: Sequence[Segment],
        ending: str = "",
    ) -> list[str]:
        """A statement for each segment; binds its values to `args`."""

        def mark(value: object) -> str:
            args.append(value)
            return f"${len(args)}"

        selects = []
        for segment in cut:
            select = (
                f"SELECT {columns} FROM {table} WHERE {self._among} "
                f"AND width = {mark(segment.width)} "
                f"AND bucket >= {mark(segment.start)} AND bucket < {mark(segment.end)}"
            )
            if segment.cells:
                within = segment.cell and self._engine.bucket("bucket", mark(segment.cell))
                listed = mark(self._engine.listed(segment.cells))
                there = self._engine.among_times(within or "bucket", listed)
                select += f" AND {'' if within else 'NOT '}{there}"
            selects.append(f"{select} {ending}")
        return selects


def _totals(rows: Sequence[Row]) -> dict[int, int]:
    """The sum of counts by series."""
    found: dict[int, int] = {}
    for number, count in rows:
        found[number] = found.get(number, 0) + int(count)
    return found


def _groups(stored: Mapping[int, int]) -> list[list[int]]:
    """Series to read together, in order: as many as have the points of a piece; at least one."""
    groups: list[list[int]] = []
    size = PIECE
    for number, count in sorted(stored.items()):
        if size + count > PIECE:
            groups.append([])
            size = 0
        groups[-1].append(number)
        size += count
    return groups


_POINTS: Final = "SELECT series_id, timestamp, value FROM metric_points"
# The SQL of a rollup's columns: of a stored rollup, and of a point as a rollup.
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
