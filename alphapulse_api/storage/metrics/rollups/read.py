"""Reads buckets from rollups: the coarsest that fit, and finer ones and points at the ends.

A page is filled in windows of whole buckets, so that its cost depends on its size, not on the
range. The figures equal those computed from the points, to the last digit. Many rows are folded on
a thread, in pieces.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Final, NamedTuple

from alphapulse_api.domain.aggregation import PERCENTILES, Aggregation
from alphapulse_api.domain.buckets import SECOND, Even, Grid, Key
from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.runtime.slices import Steps
from alphapulse_api.storage.engine.base import Engine, Row
from alphapulse_api.storage.metrics.rollups.fold import READINGS, WIDTHS, Rollup, join, roll
from alphapulse_api.storage.metrics.rollups.ranking import Ranking
from alphapulse_api.storage.metrics.rollups.ranks import Bucket, Figures
from alphapulse_api.storage.metrics.rollups.source import PIECE, RollupSource, Segment, segments
from alphapulse_api.storage.threads import STEP, in_steps

# Points that one answer may read, if rollups are not enough.
MAX_POINTS: Final = 2_000_000
# Series that are read at once.
SERIES: Final = 1_000
# Bucket edges to compute at once in a time zone: about 5 ms.
_EDGES: Final = 1_000

Parts = dict[Bucket, list[Row]]  # rollups to be joined


class Buckets(NamedTuple):
    """A page of buckets, and the functions that are approximate in it."""

    rows: list[tuple[Bucket, Figures]]
    approximate: tuple[str, ...]


class RollupReader:
    """Reads the buckets of some series.

    Args:
        engine: where the rollups are stored.
        numbers: the series, at least one.
    """

    def __init__(self, engine: Engine, numbers: Sequence[int]) -> None:
        self._engine = engine
        self._source = RollupSource(engine, numbers)

    async def page(
        self, question: Aggregation, start: int, end: int, limit: int, after: Bucket | None
    ) -> Buckets:
        """Up to `limit` buckets with points and their figures, ordered by start and series.

        Args:
            start: the first microsecond of the range.
            end: the microsecond after the range.
            after: the last bucket of the page before.

        Raises:
            ValidationProblem: if the functions need points, and there are too many.
        """
        plain = [name for name in question.functions if name in READINGS]
        ranks = [name for name in question.functions if name not in READINGS]
        extremes = [] if PERCENTILES.keys().isdisjoint(ranks) else ["min", "max"]
        wanted = [*plain, *extremes] or ["count"]
        found = await self._page(question.grid, wanted, start, end, limit, after)
        rows = await in_steps(len(found) * len(plain), _figures(found, plain))
        if not ranks or not rows:
            return Buckets(rows, ())
        allow = partial(_bound, parameter="aggregation", detail=_FEWER.format(", ".join(ranks)))
        ranking = Ranking(self._engine, ranks, question.grid, allow)
        return Buckets(rows, await ranking.complete(self._source, start, end, found, rows))

    async def _page(
        self,
        grid: Grid,
        functions: Sequence[str],
        start: int,
        end: int,
        limit: int,
        after: Bucket | None,
    ) -> list[tuple[Bucket, Rollup]]:
        wanted = frozenset().union(*(READINGS[name].columns for name in functions))
        at = start if after is None else max(start, after[0])
        a_bucket = self._source.count * _rows_of_a_bucket(grid)  # if points are dense
        window = max(1, min(-(-limit // self._source.count), PIECE // a_bucket))
        rows: list[tuple[Bucket, Rollup]] = []
        read = 0
        while at < end and len(rows) < limit:
            edges = grid.edges(at, end, window if isinstance(grid, Even) else min(window, _EDGES))
            low, high = max(start, edges[0]), min(end, edges[-1])
            widths = _widths(grid, edges)
            if not widths:
                detail = _WIDER.format(grid.width / SECOND)
                read = await _bound(self._source, low, high, read, "interval", detail)
            cut = _cut(grid, edges, widths, low, high)
            # The last series of the first bucket that the previous page has shown.
            shown = after[1] if after is not None and after[0] == edges[0] else None
            parts: Parts = {}
            found = 0
            for source in self._sources(shown if window == 1 else None):
                found += await self._gather(source, parts, grid.key(edges), cut, wanted)
                if window == 1:  # in the order of the answer, so that a page reads few series
                    rows += await in_steps(found, _joined(parts, after, limit - len(rows)))
                    parts = {}
                    if len(rows) >= limit:
                        break
            rows += await in_steps(found, _joined(parts, after, limit - len(rows)))
            at = edges[-1]
            if found < PIECE // 2 and shown is None:
                window *= 2
        return rows

    def _sources(self, shown: int | None) -> Iterator[RollupSource]:
        """The series after `shown`, in order, as many at once as a statement reads."""
        if self._source.count <= SERIES:
            yield self._source
            return
        numbers = self._source.numbers
        first = 0 if shown is None else bisect_right(numbers, shown)
        for at in range(first, len(numbers), SERIES):
            yield RollupSource(self._engine, numbers[at : at + SERIES])

    async def _gather(
        self,
        source: RollupSource,
        parts: Parts,
        key: Key,
        cut: Sequence[Segment],
        wanted: frozenset[str],
    ) -> int:
        """Read segments and add their rows to the buckets; return the number of rows."""
        found = 0
        for segment in cut:
            if not segment.width:
                async for piece in source.points(segment.start, segment.end):
                    found += len(piece)
                    await in_steps(len(piece), _enter_points(parts, piece, key))
        if rolled := [segment for segment in cut if segment.width]:
            rows = await source.rollups(rolled, wanted)
            found += len(rows)
            await in_steps(len(rows), _enter_rollups(parts, rows, key))
        return found


async def _bound(
    source: RollupSource, start: int, end: int, read: int, parameter: str, detail: str
) -> int:
    """Add the points of [start, end) to `read`; raise `ValidationProblem` if it is too many."""
    read += await source.stored(start, end)
    if read > MAX_POINTS:
        raise ValidationProblem.parameter(
            parameter,
            f"this reads {read:,} points, and at most {MAX_POINTS:,} are read: {detail}",
        )
    return read


def _widths(grid: Grid, edges: Sequence[int]) -> tuple[int, ...]:
    """The widths of rollups that no edge of a bucket cuts."""
    if isinstance(grid, Even):
        return tuple(width for width in WIDTHS if grid.width % width == 0)
    widths: tuple[int, ...] = WIDTHS
    while widths and any(edge % widths[-1] for edge in edges[1:-1]):
        widths = widths[:-1]
    return widths


def _cut(
    grid: Grid, edges: Sequence[int], widths: tuple[int, ...], low: int, high: int
) -> list[Segment]:
    """The segments to read of [low, high): the widest rollups, and finer ones at the ends.

    By the clock of a zone a day may begin in the middle of a rollup of four hours. Such a rollup is
    read if it lies within one bucket; if an edge divides it, finer ones are read.
    """
    wider = WIDTHS[len(widths)] if 0 < len(widths) < len(WIDTHS) else 0
    if isinstance(grid, Even) or not wider or grid.width < 2 * wider:
        return list(segments(low, high, widths))
    cut = list(segments(low, high, (*widths, wider)))
    whole = next((segment for segment in cut if segment.width == wider), None)
    if whole is not None:
        parted = {edge - edge % wider for edge in edges[1:-1] if edge % wider}
        cells = tuple(sorted(at for at in parted if whole.start <= at < whole.end))
        cut.remove(whole)
        cut.append(whole._replace(cells=cells))
        if cells:
            cut.append(Segment(widths[-1], whole.start, whole.end, wider, cells))
    return cut


def _enter_points(parts: Parts, rows: Sequence[Row], key: Key) -> Steps[None]:
    taken = 0
    for bucket, points in groupby(rows, lambda row: (key(row[1]), row[0])):
        some = [(row[1], row[2]) for row in points]
        parts.setdefault(bucket, []).append(roll(some))
        taken += len(some)
        if taken >= STEP:
            taken = 0
            yield


def _enter_rollups(parts: Parts, rows: Sequence[Row], key: Key) -> Steps[None]:
    for at in range(0, len(rows), STEP):
        for row in rows[at : at + STEP]:
            parts.setdefault((key(row[1]), row[0]), []).append(row[2:])
        yield


def _joined(parts: Parts, after: Bucket | None, most: int) -> Steps[list[tuple[Bucket, Rollup]]]:
    buckets = sorted(key for key in parts if after is None or key > after)[:most]
    joined: list[tuple[Bucket, Rollup]] = []
    for at in range(0, len(buckets), STEP):
        joined += [(key, join(parts.pop(key))) for key in buckets[at : at + STEP]]
        yield
    return joined


def _figures(
    buckets: Sequence[tuple[Bucket, Rollup]], functions: Sequence[str]
) -> Steps[list[tuple[Bucket, Figures]]]:
    readings = [(name, READINGS[name].figure) for name in functions]
    rows: list[tuple[Bucket, Figures]] = []
    for at in range(0, len(buckets), STEP):
        rows += [
            (key, {name: figure(rollup) for name, figure in readings})
            for key, rollup in buckets[at : at + STEP]
        ]
        yield
    return rows


def _rows_of_a_bucket(grid: Grid) -> int:
    """Rollups in a bucket of a series with a point every minute."""
    if isinstance(grid, Even):
        widths = _widths(grid, ())
        return grid.width // widths[-1] if widths else 1
    return max(1, grid.width // WIDTHS[2]) + 2 * WIDTHS[2] // WIDTHS[1]


_FEWER: Final = (
    "ask for {} of a shorter range, of fewer series, in smaller pages, or in buckets of whole "
    "hours, which are kept in advance"
)
_WIDER: Final = (
    "ask for a shorter range, for fewer series, for smaller pages, or for buckets of whole minutes "
    "in the place of {:g} seconds, which are kept in advance"
)
