"""The history of a portfolio, thinned so that returns, drawdowns and extremes stay exact.

A chart shows some hundred of possibly millions of snapshots. They are read once, in pieces, and the
snapshots that decide a return, a drawdown or an extreme are kept. Amounts are compared as exact
decimals here, because the engines would compare them differently.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.decimals import EXACT
from alphapulse_api.domain.times import to_micros
from alphapulse_api.storage.columns import DECIMAL, TIME, Columns
from alphapulse_api.storage.engine.base import Engine, Row
from alphapulse_api.storage.listing import Order, read_rows
from alphapulse_api.storage.page import Page
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


class _Stretch:
    """The instants of the first, last, lowest and highest snapshot, and the two extreme values."""

    __slots__ = ("first", "high", "highest", "last", "low", "lowest")

    def __init__(self, at: int, value: Decimal) -> None:
        self.first = self.last = self.lowest = self.highest = at
        self.low = self.high = value


class _Fall(NamedTuple):
    """A drawdown: the instants of its peak and trough, its loss, and the value at the peak."""

    peak_at: int
    trough_at: int
    lost: Decimal
    peak: Decimal


class Thinning:
    """Chooses the snapshots to keep, from snapshots that are added in order of time.

    Args:
        width: of a stretch, in microseconds, aligned to the epoch; None keeps only the snapshots
            that matter for the whole.
    """

    def __init__(self, width: int | None) -> None:
        self._width = width
        self._stretches: list[_Stretch] = []
        self._until: float = -math.inf  # the end of the last of them
        self._peak = Decimal("-Infinity")
        self._peak_at = 0
        self._trough = Decimal(0)  # the lowest since that peak
        self._relative: _Fall | None = None  # the largest relative drawdown
        self._absolute: _Fall | None = None  # the largest absolute drawdown

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows of an instant and a total value, the value as text."""
        for at, text in rows:
            value = Decimal(text)
            if at >= self._until:
                stretch = _Stretch(at, value)
                self._stretches.append(stretch)
                width = self._width
                self._until = math.inf if width is None else at - at % width + width
            else:
                stretch = self._stretches[-1]
                stretch.last = at
                if value < stretch.low:
                    stretch.lowest, stretch.low = at, value
                elif value > stretch.high:
                    stretch.highest, stretch.high = at, value
            if value > self._peak:
                self._peak_at, self._peak, self._trough = at, value, value
            elif value < self._trough:
                self._trough = value
                self._fall(at)

    def kept(self, most: int) -> set[int]:
        """The instants to keep, at most `most`."""
        stretches = self._stretches
        falls = [
            at
            for fall in (self._relative, self._absolute)
            if fall is not None
            for at in (fall.trough_at, fall.peak_at)
        ]
        instants = [
            stretches[0].first,
            stretches[-1].last,
            *falls[:2],
            min(stretches, key=lambda stretch: stretch.low).lowest,
            max(stretches, key=lambda stretch: stretch.high).highest,
            *falls[2:],
        ]
        kept = set(list(dict.fromkeys(instants))[:most])
        if self._width is not None:
            for stretch in stretches:
                kept |= {stretch.first, stretch.last, stretch.lowest, stretch.highest}
        return kept

    def _fall(self, at: int) -> None:
        """Compare the drawdown from the last peak, at its new trough, with the largest ones."""
        lost = EXACT.subtract(self._peak, self._trough)
        fall = _Fall(self._peak_at, at, lost, self._peak)
        if self._absolute is None or lost > self._absolute.lost:
            self._absolute = fall
        # Relative to a value of zero or less, a drawdown is undefined.
        if self._peak > 0 and (
            self._relative is None
            or EXACT.multiply(lost, self._relative.peak)
            > EXACT.multiply(self._relative.lost, self._peak)
        ):
            self._relative = fall


async def history(
    engine: Engine, start: datetime | None, end: datetime | None, max_points: int
) -> list[dict[str, Any]]:
    """Snapshots of [start, end), oldest first, `max_points` (2 or more) at most.

    If there are more, the first, last, lowest and highest of each of equally long stretches are
    given, and those between which the largest drawdowns lie. So the return, the extremes and the
    largest drawdown are those of all snapshots (with 6 points or more; fewer show what fits).
    """
    where = Where()
    where.between("as_of", start, end)
    ((count, first, last),) = await engine.fetch(
        f"SELECT count(*), min(as_of), max(as_of) FROM portfolio_snapshots {where}", *where.args
    )
    if not count:
        return []
    if count > max_points:
        # Including partial ones at both ends, there are at most this many stretches.
        stretches = (max_points - A_RANGE) // A_STRETCH
        thinning = Thinning((last - first) // (stretches - 1) + 1 if stretches > 1 else None)
        await _read(engine, first, None if end is None else to_micros(end), thinning)
        kept = thinning.kept(max_points)
        where = Where()
        where.add(engine.among_times("as_of", "{}"), engine.listed(sorted(kept)))
    rows = await engine.fetch(
        f"SELECT {HISTORY.select} FROM portfolio_snapshots {where} ORDER BY as_of", *where.args
    )
    return _points(rows)


async def history_page(
    engine: Engine, start: datetime | None, end: datetime | None, limit: int, cursor: str | None
) -> Page:
    """One page of all snapshots of [start, end), oldest first."""
    check_range(start, end)
    where = Where()
    where.between("as_of", start, end)
    listing = Listing("history")
    rows, more = await read_rows(engine, HISTORY, _ORDER, listing, where, limit, cursor)
    return Page(rows, _points, _ORDER.cursor(listing, HISTORY, rows[-1]) if more else None)


async def _read(engine: Engine, start: int, end: int | None, thinning: Thinning) -> None:
    """Add all snapshots of [start, end)."""
    while True:
        where = Where()
        where.add("as_of >= {}", start)
        if end is not None:
            where.add("as_of < {}", end)
        rows = await engine.fetch(
            f"SELECT as_of, total_value FROM portfolio_snapshots {where} "
            f"ORDER BY as_of LIMIT {PIECE}",
            *where.args,
        )
        await off_loop(len(rows), thinning.add, rows)
        if len(rows) < PIECE:
            return
        start = rows[-1][0] + 1


def _points(rows: Sequence[Row], plain: bool = False) -> list[dict[str, Any]]:
    points = HISTORY.records(rows, plain)
    return [{"timestamp": point.pop("as_of"), **point} for point in points]
