"""Reads points of several series in order of time, a stretch of time after another.

Points are stored by series, so finding the first points of several series by time would read and
sort the whole range for each page. Instead, the reader takes a stretch that should hold one page,
and longer ones while the page is not full. So a page costs by its size, not by the range.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alphapulse_api.storage.engine.base import Engine, Row
from alphapulse_api.storage.query import Where

GROWTH: Final = 4  # of the width from one stretch to the next

Place = tuple[int, int]  # an instant in microseconds, and the series


class PointReader:
    """Reads the points of some series.

    Args:
        engine: where they are stored.
        numbers: the series, at least one.
    """

    def __init__(self, engine: Engine, numbers: Sequence[int]) -> None:
        self._engine = engine
        self._alone = len(numbers) == 1
        self._ids = numbers[0] if self._alone else engine.listed(numbers)
        self._are_these = "series_id = {}" if self._alone else engine.among("series_id", "{}")

    async def page(self, start: int, end: int, limit: int, after: Place | None) -> Sequence[Row]:
        """Up to `limit` rows of instant, series and value, ordered by instant and series.

        Args:
            start: the first microsecond of the range.
            end: the microsecond after the range.
            after: the last point of the page before.
        """
        if after is not None:
            start = max(start, after[0])
        if self._alone:
            return await self._stretch(start, end, limit, after)
        begin, finish, points = await self._extent()
        start, end = max(start, begin), min(end, finish)
        width = (finish - begin) * limit // max(points, 1) + 1
        found: list[Row] = []
        while start < end and len(found) < limit:
            stop = min(start + width, end)
            found += await self._stretch(start, stop, limit - len(found), after)
            start, width = stop, width * GROWTH
        return found

    async def first(self) -> int | None:
        """The instant of the first point; None if there is none."""
        begin, _, points = await self._extent()
        return begin if points else None

    async def _extent(self) -> tuple[int, int, int]:
        """The range in which the series have points, and the number of points."""
        where = Where()
        where.add(self._are_these, self._ids)
        where.add("points > {}", 0)
        ((begin, last, points),) = await self._engine.fetch(
            f"SELECT min(first_at), max(last_at), sum(points) FROM series_spans {where}",
            *where.args,
        )
        return (0, 0, 0) if begin is None else (begin, last + 1, int(points))

    async def _stretch(
        self, start: int, end: int, limit: int, after: Place | None
    ) -> Sequence[Row]:
        where = Where()
        where.add(self._are_these, self._ids)
        where.add("timestamp >= {}", start)
        where.add("timestamp < {}", end)
        if after is not None:
            where.add("(timestamp, series_id) > ({}, {})", *after)
        return await self._engine.fetch(
            f"SELECT timestamp, series_id, value FROM metric_points {where} "
            f"ORDER BY timestamp, series_id LIMIT {where.parameter(limit)}",
            *where.args,
        )
