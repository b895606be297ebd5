"""Summaries of snapshots for charts of the portfolio, which can be folded further.

The summary of two stretches of time follows from the summaries of both, so it does not matter how
the snapshots are divided. Amounts are compared here as exact decimals, because the engines would
compare them differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.decimals import EXACT
from alphapulse_api.storage.engine.base import Row

COLUMNS: Final = (
    "first_at", "last_at", "low", "low_at", "high", "high_at",
    "fall_peak", "fall_peak_at", "fall_trough", "fall_trough_at",
    "ratio_peak", "ratio_peak_at", "ratio_trough", "ratio_trough_at",
)  # fmt: skip
"""The columns of a stored summary."""


class Fall(NamedTuple):
    """A drawdown: its peak, its trough, their instants, and what was lost."""

    peak: Decimal
    peak_at: int
    trough: Decimal
    trough_at: int
    lost: Decimal

    @classmethod
    def between(cls, peak: Decimal, peak_at: int, trough: Decimal, trough_at: int) -> Fall:
        """The fall from a peak to a trough."""
        return cls(peak, peak_at, trough, trough_at, EXACT.subtract(peak, trough))


class Summary:
    """The summary of successive snapshots.

    Of equal values the first counts. The largest fall in proportion is defined only where no value
    is below zero.

    Args:
        at: the instant of the first snapshot, in microseconds since the epoch.
        value: its value.

    Attributes:
        first: the instant of the first snapshot.
        last: of the last.
        low: the lowest value.
        lowest: its instant.
        high: the highest value.
        highest: its instant.
        fall: the largest drawdown in money; None: the value never fell.
        ratio: the largest drawdown in proportion to its peak.
    """

    __slots__ = ("fall", "first", "high", "highest", "last", "low", "lowest", "ratio")

    def __init__(self, at: int, value: Decimal) -> None:
        self.first = self.last = self.lowest = self.highest = at
        self.low = self.high = value
        self.fall: Fall | None = None
        self.ratio: Fall | None = None

    def __repr__(self) -> str:
        return f"<Summary from {self.first} to {self.last}>"

    @property
    def instants(self) -> tuple[int, int, int, int]:
        """Those of the first, last, lowest and highest snapshot."""
        return self.first, self.last, self.lowest, self.highest

    def extend(self, later: Summary) -> None:
        """Add the snapshots of a later stretch."""
        across = None
        if later.low < self.high:
            across = Fall.between(self.high, self.highest, later.low, later.lowest)
        self.fall = _larger(self.fall, _larger(across, later.fall, _lost), _lost)
        if self.low < 0 or later.low < 0:
            self.ratio = None
        else:
            self.ratio = _larger(self.ratio, _larger(across, later.ratio, _part), _part)
        self.last = later.last
        if later.low < self.low:
            self.low, self.lowest = later.low, later.lowest
        if later.high > self.high:
            self.high, self.highest = later.high, later.highest

    @property
    def row(self) -> list[Any]:
        """The values of COLUMNS."""
        row: list[Any] = [
            self.first, self.last, _text(self.low), self.lowest, _text(self.high), self.highest
        ]  # fmt: skip
        for fall in (self.fall, self.ratio):
            if fall is None:
                row += (None,) * 4
            else:
                row += (_text(fall.peak), fall.peak_at, _text(fall.trough), fall.trough_at)
        return row

    @classmethod
    def stored(cls, row: Row) -> Summary:
        """A summary from the values of COLUMNS."""
        first, last, low, lowest, high, highest, *falls = row
        summary = cls(first, Decimal(low))
        summary.last, summary.lowest = last, lowest
        summary.high, summary.highest = Decimal(high), highest
        if falls[0] is not None:
            summary.fall = _fall(*falls[:4])
        if falls[4] is not None:
            same = falls[4:] == falls[:4]
            summary.ratio = summary.fall if same else _fall(*falls[4:])
        return summary


def summary_of(rows: Iterable[Row]) -> Summary | None:
    """The summary of rows of an instant and a value as text, in order of time."""
    summary: Summary | None = None
    trough = Decimal(0)  # the lowest since the peak
    for at, text in rows:
        value = Decimal(text)
        if summary is None:
            summary, trough = Summary(at, value), value
            continue
        summary.last = at
        if value > summary.high:
            summary.high, summary.highest, trough = value, at, value
            continue
        if value < summary.low:
            summary.low, summary.lowest = value, at
        if value < trough:
            trough = value
            fall = Fall.between(summary.high, summary.highest, value, at)
            summary.fall = _larger(summary.fall, fall, _lost)
            if value >= 0:
                summary.ratio = _larger(summary.ratio, fall, _part)
    if summary is not None and summary.low < 0:
        summary.ratio = None
    return summary


def folded(summaries: Sequence[Summary]) -> Summary:
    """The summary of one or more successive stretches."""
    whole = Summary(summaries[0].first, summaries[0].low)
    for name in Summary.__slots__:
        setattr(whole, name, getattr(summaries[0], name))
    for later in summaries[1:]:
        whole.extend(later)
    return whole


def _larger(one: Fall | None, other: Fall | None, compared: Any) -> Fall | None:
    """The larger fall; of equal ones the one with the earlier trough, then the higher peak."""
    if one is None or other is None:
        return other if one is None else one
    left, right = compared(one, other)
    if left != right:
        return one if left > right else other
    if one.trough_at != other.trough_at:
        return one if one.trough_at < other.trough_at else other
    return one if one.peak >= other.peak else other


def _lost(one: Fall, other: Fall) -> tuple[Decimal, Decimal]:
    return one.lost, other.lost


def _part(one: Fall, other: Fall) -> tuple[Decimal, Decimal]:
    """The relative losses of both, each multiplied by both peaks."""
    return EXACT.multiply(one.lost, other.peak), EXACT.multiply(other.lost, one.peak)


def _fall(peak: str, peak_at: int, trough: str, trough_at: int) -> Fall:
    return Fall.between(Decimal(peak), peak_at, Decimal(trough), trough_at)


def _text(value: Decimal) -> str:
    return format(value, "f")
