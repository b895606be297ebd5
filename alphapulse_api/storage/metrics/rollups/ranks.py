"""Percentiles and standard deviations, which need points: computed from points in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from alphapulse_api.domain.aggregation import PERCENTILES
from alphapulse_api.domain.buckets import Key
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.metrics.rollups.deviation import Moments, join, moments, stddev
from alphapulse_api.storage.metrics.rollups.percentiles import Sketch, exact

Bucket = tuple[int, int]  # its start and the series
Figures = dict[str, float | int | None]


class Ranks:
    """Collects points and computes the functions of each bucket.

    Args:
        functions: names of PERCENTILES, or stddev.
        key: from an instant to the start of its bucket.
        approximate: whether percentiles come from sketches instead of all values.
    """

    def __init__(self, functions: Sequence[str], key: Key, approximate: bool) -> None:
        self._functions = functions
        self._key = key
        self._shares = [PERCENTILES[name] for name in functions if name in PERCENTILES]
        self._approximate = approximate
        self._moments: dict[Bucket, Moments] = {}
        self._sketches: dict[Bucket, Sketch] = {}
        self._values: dict[Bucket, list[float]] = {}

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows of series, instant and value, ordered by series and instant."""
        key = self._key
        for bucket, points in groupby(rows, lambda row: (key(row[1]), row[0])):
            values: list[float] = [row[2] for row in points if row[2] is not None]
            if not values:
                continue
            if "stddev" in self._functions:
                found = moments(values)
                before = self._moments.get(bucket)
                self._moments[bucket] = found if before is None else join(before, found)
            if not self._shares:
                continue
            if self._approximate:
                self._sketches.setdefault(bucket, Sketch()).add(values)
            else:
                self._values.setdefault(bucket, []).extend(values)

    def figures(self) -> dict[Bucket, Figures]:
        """The functions by bucket, for buckets with values."""
        answer: dict[Bucket, Figures] = {}
        for bucket, found in self._moments.items():
            answer.setdefault(bucket, {})["stddev"] = stddev(found)
        names = [name for name in self._functions if name in PERCENTILES]
        for bucket, values in self._values.items():
            answer.setdefault(bucket, {}).update(
                zip(names, exact(values, self._shares), strict=True)
            )
        for bucket, sketch in self._sketches.items():
            answer.setdefault(bucket, {}).update(
                zip(names, sketch.percentiles(self._shares), strict=True)
            )
        return answer
