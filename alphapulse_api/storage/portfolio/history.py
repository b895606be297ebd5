"""The history of a portfolio, thinned so that returns, drawdowns and extremes stay exact.

A chart shows some hundred of possibly millions of snapshots: those that decide a return, a drawdown
or an extreme. They are found in rollups, and in snapshots at both ends, in a time that does not
grow with the history. The answer equals the one from all snapshots.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.times import to_micros
from alphapulse_api.storage.columns import DECIMAL, TIME, Columns
from alphapulse_api.storage.engine.base import Engine, Row
from alphapulse_api.storage.listing import read_rows
from alphapulse_api.storage.ordering import Order
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.portfolio.rollups import SELECT, WIDTHS, floor
from alphapulse_api.storage.portfolio.summaries import Summary, folded, summary_of
from alphapulse_api.storage.query import Listing, Where, check_range
from alphapulse_api.storage.threads import off_loop

HISTORY: Final = Columns(
    "portfolio_snapshots",
    {"as_of": TIME, "total_value": DECIMAL, "cash": DECIMAL, "positions_value": DECIMAL},
)
_ORDER: Final = Order(("as_of",), (int,), descending=False)
PIECE: Final = 5_000  # snapshots to read and process at once
A_STRETCH: Final = 4  # snapshots kept of each stretch: first, last, lowest, highest
A_RANGE: Final = 4  # and the ends of the largest drawdowns, relative and absolute
DEFAULT_POINTS: Final = 500


class Segment(NamedTuple):
    """A part of a range, and the width of the rollups that it is read from; None: snapshots."""

    start: int
    end: int
    width: int | None


def segments(start: int, end: int, rolled_up: int, width: int | None) -> list[Segment]:
    """How to read the range [start, end): in order, without the empty parts.

    Args:
        start: microseconds since the epoch.
        end: the same.
        rolled_up: where the rollups end.
        width: the largest to use; None: read snapshots.
    """
    if start >= end:
        return []
    if width is None:
        return [Segment(start, end, None)]
    smaller = WIDTHS[WIDTHS.index(width) - 1] if width != WIDTHS[0] else None
    first = floor(start + width - 1, width)
    last = min(floor(end, width), floor(rolled_up, width))
    if first >= last:
        return segments(start, end, rolled_up, smaller)
    return [
        *segments(start, first, rolled_up, smaller),
        Segment(first, last, width),
        *segments(last, end, rolled_up, smaller),
    ]


class Thinning:
    """Chooses the snapshots to keep.

    Args:
        width: of a stretch, in microseconds; None keeps only the snapshots that matter for the
            whole.
        cell: the width of the rollups, which no stretch divides; None if none is used.
    """

    def __init__(self, width: int | None, cell: int | None) -> None:
        self._width = width
        self._cell = cell or 1
        self._stretches: list[tuple[int, list[Summary]]] = []

    def __len__(self) -> int:
        """The number of summaries to fold."""
        return sum(len(parts) for _, parts in self._stretches)

    def add_snapshots(self, rows: Sequence[Row]) -> None:
        """Add rows of an instant and a total value as text, later than all before."""
        at = 0
        while at < len(rows):
            stretch = self._stretch(rows[at][0])
            end = at + 1
            while end < len(rows) and self._stretch(rows[end][0]) == stretch:
                end += 1
            summary = summary_of(rows[at:end])
            assert summary is not None
            self._add(stretch, summary)
            at = end

    def add_rollups(self, rows: Sequence[Row]) -> None:
        """Add rollups, each its start and a summary's columns, later than all before."""
        for row in rows:
            self._add(self._stretch(row[0]), Summary.stored(row[1:]))

    def kept(self, most: int) -> list[int]:
        """The instants to keep, at most `most`, in order."""
        stretches = [folded(parts) for _, parts in self._stretches]
        whole = folded(stretches)
        falls = [
            at
            for fall in (whole.ratio, whole.fall)
            if fall is not None
            for at in (fall.trough_at, fall.peak_at)
        ]
        instants = [whole.first, whole.last, *falls[:2], whole.lowest, whole.highest, *falls[2:]]
        kept = set(list(dict.fromkeys(instants))[:most])
        if self._width is not None:
            for stretch in stretches:
                kept.update(stretch.instants)
        return sorted(kept)

    def _stretch(self, at: int) -> int:
        return 0 if self._width is None else floor(at, self._cell) // self._width

    def _add(self, stretch: int, summary: Summary) -> None:
        if not self._stretches or self._stretches[-1][0] != stretch:
            self._stretches.append((stretch, []))
        self._stretches[-1][1].append(summary)


class _Extent(NamedTuple):
    first: int | None
    last: int | None
    rolled_up: int | None
    more: int | None  # the instant of a snapshot beyond `max_points`, if there are so many


async def history(
    engine: Engine, book: str, start: datetime | None, end: datetime, max_points: int
) -> Page:
    """Snapshots of [start, end), oldest first, `max_points` (2 or more) at most.

    If there are more, the first, last, lowest and highest of each of about equally long stretches
    are given, and those between which the largest drawdowns lie. So the return, the extremes and
    the largest drawdown are those of all snapshots (with 6 points or more; fewer show what fits).
    """
    where = Where()
    where.equal(book=book)
    where.between("as_of", start, end)
    extent = await _extent(engine, where, max_points)
    if extent.first is None or extent.last is None:
        return Page()
    rows: Sequence[Row]
    if extent.more is not None:
        width, cell = widths(extent.first, extent.last, max_points)
        thinning = Thinning(width, cell)
        # No snapshot precedes the first, so a bucket may begin before it.
        begin = floor(extent.first, WIDTHS[-1])
        if start is not None:
            begin = max(begin, to_micros(start))
        parts = segments(
            begin, to_micros(end), extent.rolled_up or begin, WIDTHS[-1] if width is None else cell
        )
        for part in _together(parts):
            if part[0].width is None:
                await _add_snapshots(engine, book, part[0], thinning)
            else:
                rows = await _rollups(engine, book, part)
                await off_loop(len(rows), thinning.add_rollups, rows)
        kept = await off_loop(len(thinning), thinning.kept, max_points)
        where = Where()
        where.equal(book=book)
        where.add(engine.among_times("as_of", "{}"), engine.listed(kept))
    rows = await engine.fetch(
        f"SELECT {HISTORY.select} FROM portfolio_snapshots {where} ORDER BY as_of", *where.args
    )
    return Page(rows, _points)


async def history_page(
    engine: Engine,
    book: str,
    start: datetime | None,
    end: datetime | None,
    limit: int,
    cursor: str | None,
) -> Page:
    """One page of all snapshots of [start, end), oldest first."""
    check_range(start, end)
    where = Where()
    where.equal(book=book)
    where.between("as_of", start, end)
    listing = Listing("history")
    rows, more = await read_rows(engine, HISTORY, _ORDER, listing, where, limit, cursor)
    return Page(rows, _points, _ORDER.cursor(listing, HISTORY, rows[-1]) if more else None)


async def _extent(engine: Engine, where: Where, max_points: int) -> _Extent:
    """The extent of the snapshots in a range."""
    table = f"FROM portfolio_snapshots {where}"
    where = where.copy()
    skipped = where.parameter(max_points)
    (row,) = await engine.fetch(
        f"SELECT (SELECT min(as_of) {table}), (SELECT max(as_of) {table}), "
        "(SELECT rolled_up FROM portfolio_current WHERE book = $1), "
        f"(SELECT as_of {table} ORDER BY as_of LIMIT 1 OFFSET {skipped})",
        *where.args,
    )
    return _Extent(*row)


def widths(first: int, last: int, max_points: int) -> tuple[int | None, int | None]:
    """The width of a stretch, and of the largest rollups that are not longer."""
    # Including partial ones at both ends, there are at most this many stretches.
    stretches = (max_points - A_RANGE) // A_STRETCH
    if stretches < 2:
        return None, None
    width = (last - first) // (stretches - 1) + 1
    cell = max((w for w in WIDTHS if w <= width), default=None)
    if cell is not None:
        width = (floor(last, cell) - floor(first, cell)) // (stretches - 1) + 1
    return width, cell


def _together(parts: Sequence[Segment]) -> list[list[Segment]]:
    """Successive parts that are read from rollups, as one; each other part by itself."""
    groups: list[list[Segment]] = []
    for part in parts:
        if part.width is not None and groups and groups[-1][-1].width is not None:
            groups[-1].append(part)
        else:
            groups.append([part])
    return groups


async def _rollups(engine: Engine, book: str, parts: Sequence[Segment]) -> list[Row]:
    """The rollups of successive parts, in order."""
    where = Where()
    mark = where.parameter(book)
    selects = []
    for part in parts:
        marks = [where.parameter(value) for value in (part.width, part.start, part.end)]
        selects.append(
            f"SELECT start, {SELECT} FROM portfolio_rollups WHERE book = {mark} "
            f"AND width = {marks[0]} AND start >= {marks[1]} AND start < {marks[2]}"
        )
    rows = list(await engine.fetch(" UNION ALL ".join(selects), *where.args))
    rows.sort(key=lambda row: row[0])
    return rows


async def _add_snapshots(engine: Engine, book: str, part: Segment, thinning: Thinning) -> None:
    """Add all snapshots of a part, in pieces."""
    start = part.start
    while True:
        rows = await engine.fetch(
            "SELECT as_of, total_value FROM portfolio_snapshots "
            f"WHERE book = $1 AND as_of >= $2 AND as_of < $3 ORDER BY as_of LIMIT {PIECE}",
            book,
            start,
            part.end,
        )
        await off_loop(len(rows), thinning.add_snapshots, rows)
        if len(rows) < PIECE:
            return
        start = rows[-1][0] + 1


def _points(rows: Sequence[Row], plain: bool) -> list[dict[str, Any]]:
    points = HISTORY.records(rows, plain)
    return [{"timestamp": point.pop("as_of"), **point} for point in points]
