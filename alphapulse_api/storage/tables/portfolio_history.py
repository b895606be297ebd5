"""A portfolio's past, thinned so that what is computed from it stays right.

A chart shows some hundred of maybe millions of snapshots. They are read once, in pieces, and what
decides a return, a drawdown or an extreme is kept: amounts are compared as the exact decimals that
they are, and not as what either engine would make of them.
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
from alphapulse_api.storage.query import Where
from alphapulse_api.storage.threads import off_loop

HISTORY: Final = Columns(
    "portfolio_snapshots",
    {"as_of": TIME, "total_value": DECIMAL, "cash": DECIMAL, "positions_value": DECIMAL},
)
PIECE: Final = 5_000  # snapshots to read and to look at at once
A_STRETCH: Final = 4  # snapshots kept of each: first, last, lowest, highest
A_RANGE: Final = 4  # and those between which the drawdowns lie, in proportion and in money


class _Stretch:
    """The first, last, lowest and highest of some snapshots: their instants, and two values."""

    __slots__ = ("first", "high", "highest", "last", "low", "lowest")

    def __init__(self, at: int, value: Decimal) -> None:
        self.first = self.last = self.lowest = self.highest = at
        self.low = self.high = value


class _Fall(NamedTuple):
    """From a peak to a trough: their instants, and what was lost of what."""

    peak_at: int
    trough_at: int
    lost: Decimal
    peak: Decimal


class Thinning:
    """Chooses snapshots, which it takes in by time: the instants of those to keep.

    Args:
        width: of a stretch, in microseconds, counted from the epoch; None: only what matters for
            the whole is kept.
    """

    def __init__(self, width: int | None) -> None:
        self._width = width
        self._stretches: list[_Stretch] = []
        self._until: float = -math.inf  # the end of the last of them
        self._peak = Decimal("-Infinity")
        self._peak_at = 0
        self._trough = Decimal(0)  # since that peak
        self._relative: _Fall | None = None  # the largest in proportion
        self._absolute: _Fall | None = None  # and in money

    def add(self, rows: Sequence[Row]) -> None:
        """Take in rows of an instant and a total value, the amount as text."""
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
        """The instants to keep, `most` at most: all that decides, or the first that fit."""
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
        """Compare the fall from the last peak to here, its deepest yet, with the largest."""
        lost = EXACT.subtract(self._peak, self._trough)
        fall = _Fall(self._peak_at, at, lost, self._peak)
        if self._absolute is None or lost > self._absolute.lost:
            self._absolute = fall
        # In proportion to what is nothing or owed, there is none.
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
        # Ragged ends included, stretches of this width are at most so many.
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


async def _read(engine: Engine, start: int, end: int | None, thinning: Thinning) -> None:
    """Let it take in all snapshots of [start, end)."""
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


def _points(rows: Sequence[Row]) -> list[dict[str, Any]]:
    points = HISTORY.records(rows)
    return [{"timestamp": point.pop("as_of"), **point} for point in points]
