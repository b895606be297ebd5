"""Percentiles and standard deviations, from points in pieces or from what sketches keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from alphapulse_api.domain.aggregation import PERCENTILES
from alphapulse_api.domain.buckets import Key
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.metrics.rollups.deviation import (
    Moments,
    join,
    moments,
    parse_moments,
    stddev,
)
from alphapulse_api.storage.metrics.rollups.percentiles import exact
from alphapulse_api.storage.metrics.rollups.sketch import Sketch, percentiles_of

Bucket = tuple[int, int]  # its start and the series
Figures = dict[str, float | int | None]
Extremes = Mapping[Bucket, tuple[float | None, float | None]]


class Ranks:
    """Collects values and computes the functions of each bucket.

    Args:
        functions: names of PERCENTILES, or stddev.
        key: from an instant to the start of its bucket.
        extremes: the least and the largest value of each bucket, where percentiles come from
            sketches; None where they come from all values.

    Attributes:
        figures: the functions by bucket, for buckets with values that are closed.
    """

    def __init__(
        self, functions: Sequence[str], key: Key, extremes: Extremes | None = None
    ) -> None:
        self._names = [name for name in functions if name in PERCENTILES]
        self._shares = [PERCENTILES[name] for name in self._names]
        self._deviation = "stddev" in functions
        self._key = key
        self._extremes = extremes
        self._moments: dict[Bucket, Moments] = {}
        self._sketches: dict[Bucket, Sketch] = {}  # of points
        self._stored: dict[Bucket, list[bytes]] = {}  # of hours and days
        self._values: dict[Bucket, list[float]] = {}
        self.figures: dict[Bucket, Figures] = {}

    def add(self, rows: Sequence[Row]) -> None:
        """Add points: rows of series, instant and value, ordered by series and instant."""
        key = self._key
        for bucket, points in groupby(rows, lambda row: (key(row[1]), row[0])):
            values: list[float] = [row[2] for row in points if row[2] is not None]
            if not values:
                continue
            if self._deviation:
                self._join(bucket, moments(values))
            if not self._shares:
                continue
            if self._extremes is not None:
                self._sketches.setdefault(bucket, Sketch()).add(values)
            else:
                self._values.setdefault(bucket, []).extend(values)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `merge` takes."""
        return ("moments",) * self._deviation + ("sketch",) * bool(self._shares)

    def merge(self, rows: Sequence[Row]) -> None:
        """Add what is kept of hours and days: rows of series, start and `columns`."""
        key = self._key
        for number, start, *kept in rows:
            bucket = key(start), number
            if self._deviation:
                self._join(bucket, parse_moments(kept[0]))
            if self._shares:
                self._stored.setdefault(bucket, []).append(kept[-1])

    def close(self, until: int) -> None:
        """Compute the buckets that begin before an instant; nothing more may be added to them."""
        for bucket in [bucket for bucket in self._moments if bucket[0] < until]:
            self._of(bucket)["stddev"] = stddev(self._moments.pop(bucket))
        for bucket in [bucket for bucket in self._values if bucket[0] < until]:
            self._put(bucket, exact(self._values.pop(bucket), self._shares))
        for bucket in [bucket for bucket in self._sketches if bucket[0] < until]:
            form = self._sketches.pop(bucket).stored()
            self._stored.setdefault(bucket, []).append(form)
        for bucket in [bucket for bucket in self._stored if bucket[0] < until]:
            forms = self._stored.pop(bucket)
            low, high = (self._extremes or {}).get(bucket, (None, None))
            if low is not None and high is not None:
                values = percentiles_of(forms, self._shares, low, high)
                if values is not None:
                    self._put(bucket, values)

    def _join(self, bucket: Bucket, found: Moments) -> None:
        before = self._moments.get(bucket)
        self._moments[bucket] = found if before is None else join(before, found)

    def _put(self, bucket: Bucket, values: Sequence[float]) -> None:
        self._of(bucket).update(zip(self._names, values, strict=True))

    def _of(self, bucket: Bucket) -> Figures:
        return self.figures.setdefault(bucket, {})
