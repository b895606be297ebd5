"""Stores how the values of a series are distributed in each hour and each day.

The sketches of a series contain its points before an instant, `sketched_at`. `sketch_on` advances
that. A transaction that stores a point before it also corrects the sketches. Retention of points
keeps them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from alphapulse_api.domain.times import FIRST_MICROS
from alphapulse_api.storage.bulk import insert_rows, select_limited, select_rows
from alphapulse_api.storage.engine.base import Engine, Row, Transaction
from alphapulse_api.storage.metrics.rollups.deviation import (
    NO_MOMENTS,
    Moments,
    join,
    moments,
    negative,
    parse_moments,
    text_of,
)
from alphapulse_api.storage.metrics.rollups.fold import DAY, HOUR, Point
from alphapulse_api.storage.metrics.rollups.sketch import Sketch

SKETCH_WIDTHS: Final = (HOUR, DAY)
_KEY: Final = ("series_id", "width", "bucket")
_KEY_TYPES: Final = ("bigint", "bigint", "timestamptz")
_TYPES: Final = (*_KEY_TYPES, "text", "bytea")
_INTO: Final = f"metric_sketches ({', '.join(_KEY)}, moments, sketch)"
_REPLACE: Final = (
    f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET "
    "moments = excluded.moments, sketch = excluded.sketch"
)
_SPANS: Final = "series_spans (series_id, points, sketched_at)"
_SPAN_TYPES: Final = ("bigint", "bigint", "timestamptz")
_MOVE_ON: Final = "ON CONFLICT (series_id) DO UPDATE SET sketched_at = excluded.sketched_at"

Key = tuple[int, int, int]  # series, width, bucket


class _Distribution:
    """The values of one hour or day."""

    __slots__ = ("moments", "sketch")

    def __init__(self) -> None:
        self.moments: Moments = NO_MOMENTS
        self.sketch = Sketch()

    def add(self, values: Sequence[float]) -> None:
        self.moments = join(self.moments, moments(values))
        self.sketch.add(values)

    def remove(self, values: Sequence[float]) -> None:
        self.moments = join(self.moments, negative(moments(values)))
        self.sketch.remove(values)

    def merge(self, other: _Distribution) -> None:
        self.moments = join(self.moments, other.moments)
        self.sketch.merge(other.sketch)


class Corrections:
    """Points that are stored late, after the sketches of their time were made."""

    __slots__ = ("_hours",)

    def __init__(self) -> None:
        self._hours: dict[tuple[int, int], _Distribution] = {}

    def add(
        self,
        number: int,
        before: int,
        fresh: Sequence[Point],
        replaced: Iterable[tuple[Point, float | None]],
    ) -> None:
        """Add those points of one series that are late.

        Args:
            number: the series.
            before: its `sketched_at`; points from there on are not late.
            fresh: new points, in order of time.
            replaced: points, each with the value that it replaces.
        """
        late = fresh[: bisect_left(fresh, before, key=_instant)]
        for hour, values in _by_hour(late):
            self._of(number, hour).add(values)
        for (at, value), old in replaced:
            if at >= before:
                continue
            distribution = self._of(number, at - at % HOUR)
            if value is not None:
                distribution.add([value])
            if old is not None:
                distribution.remove([old])

    async def write(self, transaction: Transaction) -> None:
        """Write the sketches; the transaction must have locked the series."""
        await _merge(transaction, self._hours)

    def _of(self, number: int, hour: int) -> _Distribution:
        return self._hours.setdefault((number, hour), _Distribution())


async def sketch_on(
    engine: Engine, transaction: Transaction, numbers: Iterable[int], until: int, limit: int
) -> dict[int, int]:
    """Lock series and add their stored points to the sketches.

    Args:
        engine: the transaction's.
        transaction: the transaction.
        numbers: the series.
        until: the instant up to which points are added.
        limit: of the points of one series to read.

    Returns:
        By series, the instant before which the sketches contain all points now, `until` at most.
    """
    spans = await transaction.fetch(
        f"SELECT series_id, sketched_at, last_at FROM series_spans "
        f"WHERE {engine.among('series_id', '$1')} ORDER BY series_id {engine.locked}",
        engine.listed(sorted(numbers)),
    )
    reached = {number: until for number, *_ in spans}
    behind = {
        number: (FIRST_MICROS if at is None else at, last_at)
        for number, at, last_at in spans
        if last_at is not None and (at is None or at <= min(last_at, until - 1))
    }
    rows = await select_limited(
        transaction,
        "SELECT series_id, timestamp, value FROM metric_points",
        ("series_id =", "timestamp >=", "timestamp <"),
        [(number, at, until) for number, (at, _) in behind.items()],
        "ORDER BY timestamp",
        limit,
    )
    points: dict[int, list[Point]] = {}
    for number, at, value in rows:
        points.setdefault(number, []).append((at, value))
    hours: dict[tuple[int, int], _Distribution] = {}
    moved: list[Row] = []
    for number, (_, last_at) in behind.items():
        found = points.get(number, [])
        if len(found) == limit:
            reached[number] = found[-1][0] + 1
        # Not beyond the last point, so that the next one is not late.
        moved.append((number, 0, min(reached[number], last_at + 1)))
        for hour, values in _by_hour(found):
            hours[number, hour] = distribution = _Distribution()
            distribution.add(values)
        await transaction.turn()
    await _merge(transaction, hours)
    await insert_rows(transaction, _SPANS, moved, _MOVE_ON, _SPAN_TYPES)
    return reached


def _by_hour(points: Sequence[Point]) -> Iterable[tuple[int, list[float]]]:
    """The values of each hour that has any, from points in order of time."""
    at = 0
    while at < len(points):
        hour = points[at][0] // HOUR * HOUR
        stop = bisect_left(points, hour + HOUR, at, key=_instant)
        if values := [value for _, value in points[at:stop] if value is not None]:
            yield hour, values
        at = stop


def _instant(point: Point) -> int:
    return point[0]


async def _merge(transaction: Transaction, hours: Mapping[tuple[int, int], _Distribution]) -> None:
    """Merge distributions of hours into the stored ones of these hours and their days."""
    if not hours:
        return
    change: dict[Key, _Distribution] = {}
    for (number, hour), distribution in hours.items():
        change[number, HOUR, hour] = distribution
        day = change.setdefault((number, DAY, hour // DAY * DAY), _Distribution())
        day.merge(distribution)
    rows = await select_rows(
        transaction,
        f"{', '.join(_KEY)}, moments, sketch",
        "metric_sketches",
        _KEY,
        list(change),
        _KEY_TYPES,
    )
    for number, width, bucket, summed, form in rows:
        distribution = change[number, width, bucket]
        distribution.moments = join(distribution.moments, parse_moments(summed))
        distribution.sketch.merge_stored(form)
    await transaction.turn()
    await insert_rows(
        transaction,
        _INTO,
        [(*key, text_of(one.moments), one.sketch.stored()) for key, one in change.items()],
        _REPLACE,
        _TYPES,
    )
