"""Adds percentiles and standard deviations to a page of buckets.

These need all values. Up to 20,000 points in the range are read and ranked exactly. Beyond that,
the sketches of hours and days are merged, where no edge of a bucket divides an hour, and only
points that are not in them are read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from alphapulse_api.domain.aggregation import MAX_BUCKETS, PERCENTILES
from alphapulse_api.domain.buckets import Grid
from alphapulse_api.storage.engine.base import Engine
from alphapulse_api.storage.metrics.rollups.fold import DAY, HOUR, Rollup
from alphapulse_api.storage.metrics.rollups.ranks import Bucket, Extremes, Figures, Ranks
from alphapulse_api.storage.metrics.rollups.source import PIECE, RollupSource, Segment, segments
from alphapulse_api.storage.threads import off_loop

# Points in the range up to which percentiles are exact.
EXACT_POINTS: Final = 20_000
SKETCHES: Final = 2_000  # a statement: some 3 ms of the event loop's time
SEGMENTS: Final = 50  # a statement: SQLite takes 500
SERIES: Final = 500  # a statement
SKETCH_ROWS: Final = 5  # rows that take as long as a sketch

Rows = Sequence[tuple[Bucket, Figures]]
Allow = Callable[[RollupSource, int, int, int], Awaitable[int]]
"""Adds the number of a source's points in [start, end) to a number; raises if it is too large."""


class Ranking:
    """Computes percentiles and deviations.

    Args:
        engine: where the points are stored.
        functions: names of PERCENTILES, or stddev.
        grid: the buckets.
        allow: bounds the points that are read.
    """

    def __init__(self, engine: Engine, functions: Sequence[str], grid: Grid, allow: Allow) -> None:
        self._engine = engine
        self._functions = functions
        self._grid = grid
        self._allow = allow
        self._read = 0

    async def complete(
        self,
        whole: RollupSource,
        start: int,
        end: int,
        found: Sequence[tuple[Bucket, Rollup]],
        rows: Rows,
    ) -> tuple[str, ...]:
        """Add the functions to the rows of a page.

        Args:
            whole: all requested series.
            start: the first microsecond of the range.
            end: the microsecond after the range.
            found: the rollups of the page, with their extremes.
            rows: the page, with the other functions; changed.

        Returns:
            The functions that are approximate.
        """
        # For the whole range, so that all pages of an answer use the same method.
        many = await whole.more_than(EXACT_POINTS, start, end)
        few_are_left = not many and await whole.deleted(start)
        (*_, after) = self._grid.edges(rows[-1][0][0], end, 1)
        start, end = max(start, rows[0][0][0]), min(end, after)
        edges = await off_loop(PIECE, self._grid.edges, start, end, 2 * MAX_BUCKETS)
        widths = _widths(edges) if many or few_are_left else ()
        approximate: tuple[str, ...] = ()
        if many or widths:
            approximate = tuple(name for name in self._functions if name in PERCENTILES)
        extremes = await off_loop(len(found) // 10, _extremes, found) if approximate else None
        key = self._grid.key(edges)
        ranks = Ranks(self._functions, key, extremes)
        cut = await off_loop(len(edges), _cut, edges, widths, start, end)
        numbers = sorted({number for (_, number), _ in rows})
        for at in range(0, len(numbers), SERIES):
            some = numbers[at : at + SERIES]
            for part in _statements(cut, len(some)):
                await self._add(ranks, RollupSource(self._engine, some), part)
                # Later parts are of later buckets.
                await off_loop(PIECE, ranks.close, key(part[-1].end))
            await off_loop(PIECE, ranks.close, end)
        await off_loop(len(rows) // 10, _enter, rows, ranks.figures, self._functions)
        return approximate

    async def _add(self, ranks: Ranks, source: RollupSource, part: Sequence[Segment]) -> None:
        """Add the values of contiguous segments: one of points, or some of sketches."""
        start, end = part[0].start, part[-1].end
        if not part[0].width:
            await self._add_points(ranks, source, start, end)
            return
        rows, reached = await source.sketches(part, ranks.columns)
        await off_loop(len(rows) * SKETCH_ROWS, ranks.merge, rows)
        behind: dict[int, list[int]] = {}
        for number, at in reached.items():
            behind.setdefault(max(start, at), []).append(number)
        for since, numbers in behind.items():
            await self._add_points(ranks, RollupSource(self._engine, numbers), since, end)

    async def _add_points(self, ranks: Ranks, source: RollupSource, start: int, end: int) -> None:
        self._read = await self._allow(source, start, end, self._read)
        async for piece in source.points(start, end):
            await off_loop(len(piece), ranks.add, piece)


def _widths(edges: Sequence[int]) -> tuple[int, ...]:
    """The widths of sketches that fit between the edges of buckets."""
    inner = edges[1:-1]
    if any(edge % HOUR for edge in inner):
        return ()
    # Buckets of two days or more contain whole days, wherever they begin.
    if any(edge % DAY for edge in inner) and edges[1] - edges[0] < 2 * DAY:
        return (HOUR,)
    return (HOUR, DAY)


def _cut(edges: Sequence[int], widths: tuple[int, ...], start: int, end: int) -> list[Segment]:
    """Segments of sketches and of points, in order of time, none across an edge."""
    if widths[-1:] != (DAY,) or not any(edge % DAY for edge in edges[1:-1]):
        return sorted(segments(start, end, widths), key=_start)
    bounds = [start, *edges[1:-1], end]
    cut: list[Segment] = []
    for low, high in pairwise(bounds):
        cut += sorted(segments(low, high, widths), key=_start)
    return cut


def _start(segment: Segment) -> int:
    return segment.start


def _statements(cut: Sequence[Segment], series: int) -> Iterator[list[Segment]]:
    """Segments to be read together: one of points, or some of a bounded number of sketches."""
    most = max(1, SKETCHES // series)
    part: list[Segment] = []
    size = 0
    for width, start, end, *_ in cut:
        at = start
        while width and at < end:
            stop = min(end, at + (most - size) * width)
            part.append(Segment(width, at, stop))
            size += (stop - at) // width
            at = stop
            if size >= most or len(part) >= SEGMENTS:
                yield part
                part, size = [], 0
        if not width:
            if part:
                yield part
                part, size = [], 0
            yield [Segment(0, start, end)]
    if part:
        yield part


def _extremes(found: Sequence[tuple[Bucket, Rollup]]) -> Extremes:
    return {bucket: (rollup.min, rollup.max) for bucket, rollup in found}


def _enter(rows: Rows, figures: dict[Bucket, Figures], functions: Sequence[str]) -> None:
    # After retention has deleted the points, there may be nothing to rank.
    none: Figures = dict.fromkeys(functions)
    for bucket, found in rows:
        found.update({**none, **figures.get(bucket, none)})
