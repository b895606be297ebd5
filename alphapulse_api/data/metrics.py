"""Metric points: series by (type, name, labels), one value an instant, raw or in time buckets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from cachetools import LRUCache

from alphapulse_api.data.aggregation import Aggregation, finish, plan, sql_columns
from alphapulse_api.data.engine import Engine, Transaction
from alphapulse_api.data.query import (
    Page,
    Where,
    check_range,
    decode_cursor,
    encode_cursor,
    window_before,
)
from alphapulse_api.encoding import canonical, loads_stored
from alphapulse_api.times import FIRST_MICROS, from_micros, now, to_micros

WINDOW = timedelta(hours=24)
KNOWN_SERIES = 100_000  # remembered keys a process
Point = dict[str, Any]


class _Series(NamedTuple):
    id: int
    metric_type: str
    name: str
    labels: dict[str, str]


class MetricsDataAccessor:
    """Reads and writes metric points."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ids: LRUCache[tuple[str, str, str], int] = LRUCache(KNOWN_SERIES)

    async def list_series(self) -> list[dict[str, Any]]:
        """Every series: `metric_type`, `name`, `labels`, `first`, `last` (times), `count`."""
        rows = await self._engine.fetch(
            "SELECT metric_type, name, labels, min(timestamp), max(timestamp), count(*) "
            "FROM series JOIN metric_points ON series_id = id "
            "GROUP BY id, metric_type, name, labels ORDER BY metric_type, name, labels"
        )
        return [
            {
                "metric_type": metric_type,
                "name": name,
                "labels": loads_stored(labels),
                "first": from_micros(first),
                "last": from_micros(last),
                "count": count,
            }
            for metric_type, name, labels, first, last, count in rows
        ]

    async def get_metrics(
        self,
        metric_type: str,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        aggregation: str | None = None,
        *,
        interval: str | None = None,
        max_points: int | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        limit: int = 1000,
        cursor: str | None = None,
    ) -> Page[Point]:
        """Points of a type, oldest first; the range defaults to the 24 hours before now.

        Args:
            aggregation: a comma list of functions; one answers in `value`, several in their names.
            interval: the buckets' width, or auto.
            max_points: how many buckets auto may give a series.
            name: only series of this name.
            labels: only series that have all of these.

        Raises:
            ValidationProblem: for an empty range, a foreign cursor, an unknown function or
                interval, or too many buckets.
        """
        end = end_time or now()
        start = start_time or window_before(end, WINDOW)
        check_range(start, end)
        buckets = plan(aggregation, interval, max_points, to_micros(start), to_micros(end))
        after: list[int] | None = None
        if cursor is not None and buckets is None:
            after = decode_cursor(cursor, int, int)
        elif cursor is not None and buckets is not None:
            *after, width = decode_cursor(cursor, int, int, int)
            buckets = buckets.continued(width)
        series = {s.id: s for s in await self._series(metric_type, name, labels)}
        if not series:
            return Page()
        where = Where()
        where.add(f"series_id IN ({', '.join(map(str, series))})")
        where.between("timestamp", start, end)
        if buckets is None:
            found = await self._raw(where, limit + 1, after)
            values = [{"value": row[2]} for row in found]
        else:
            found = await self._bucketed(where, buckets, limit + 1, after)
            values = [_named(buckets.functions, row[2:]) for row in found]
        rows = [
            {
                "metric_type": metric_type,
                "name": series[row[1]].name,
                # A bucket may begin before the year 1, where no date is.
                "timestamp": from_micros(max(row[0], FIRST_MICROS)),
                **value,
                "labels": series[row[1]].labels,
            }
            for row, value in zip(found[:limit], values, strict=False)
        ]
        if len(found) <= limit:
            return Page(rows)
        width_too = () if buckets is None else (buckets.width,)
        return Page(rows, encode_cursor(*found[limit - 1][:2], *width_too))

    async def get_latest_metrics(
        self,
        metric_type: str | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> list[Point]:
        """The newest point of every matching series; of every type where none is named."""
        series = await self._series(metric_type, name, labels)
        if not series:
            return []
        found = await self._engine.fetch(
            "SELECT s.id, p.timestamp, p.value FROM series s JOIN metric_points p "
            "ON p.series_id = s.id AND p.timestamp = "
            "(SELECT max(timestamp) FROM metric_points WHERE series_id = s.id) "
            f"WHERE s.id IN ({', '.join(str(s.id) for s in series)})"
        )
        newest = {row[0]: row for row in found}
        return [
            {
                "metric_type": s.metric_type,
                "name": s.name,
                "timestamp": from_micros(newest[s.id][1]),
                "value": newest[s.id][2],
                "labels": s.labels,
            }
            for s in series
            if s.id in newest
        ]

    async def add_points(self, points: Sequence[Mapping[str, Any]]) -> int:
        """Store validated points; of two with the same series and time the later one stands.

        Returns:
            How many were given.
        """
        keys = [(p["metric_type"], p["name"], canonical(p["labels"])) for p in points]
        known = {key: self._ids[key] for key in keys if key in self._ids}
        unknown = [key for key in dict.fromkeys(keys) if key not in known]

        async def work(transaction: Transaction) -> dict[tuple[str, str, str], int]:
            made = {key: await _series_id(transaction, key) for key in unknown}
            await transaction.execute_many(
                "INSERT INTO metric_points (series_id, timestamp, value) VALUES ($1, $2, $3) "
                "ON CONFLICT (series_id, timestamp) DO UPDATE SET value = excluded.value",
                [
                    (made.get(key) or known[key], to_micros(point["timestamp"]), point["value"])
                    for key, point in zip(keys, points, strict=True)
                ],
            )
            return made

        # Remembered only now: an id of a transaction that failed would be nobody's.
        self._ids.update(await self._engine.write(work))
        return len(points)

    async def _series(
        self, metric_type: str | None, name: str | None, labels: Mapping[str, str] | None
    ) -> list[_Series]:
        where = Where()
        where.equal(metric_type=metric_type, name=name)
        rows = await self._engine.fetch(
            f"SELECT id, metric_type, name, labels FROM series {where} "
            "ORDER BY metric_type, name, labels",
            *where.args,
        )
        found = [_Series(row[0], row[1], row[2], loads_stored(row[3])) for row in rows]
        wanted = (labels or {}).items()
        return [s for s in found if wanted <= s.labels.items()] if wanted else found

    async def _raw(
        self, where: Where, limit: int, after: Sequence[int] | None
    ) -> Sequence[Sequence[Any]]:
        if after is not None:
            where.add("(timestamp, series_id) > ({}, {})", *after)
        return await self._engine.fetch(
            f"SELECT timestamp, series_id, value FROM metric_points {where} "
            f"ORDER BY timestamp, series_id LIMIT {where.parameter(limit)}",
            *where.args,
        )

    async def _bucketed(
        self, where: Where, buckets: Aggregation, limit: int, after: Sequence[int] | None
    ) -> Sequence[Sequence[Any]]:
        inner, outer = sql_columns(buckets.functions)
        bucket = self._engine.bucket("timestamp", where.parameter(buckets.width))
        points = (
            f"SELECT series_id, timestamp, {bucket} AS bucket, value FROM metric_points {where}"
        )
        if inner:
            points = (
                f"SELECT series_id, bucket, value, {', '.join(inner)} FROM ({points}) p WINDOW "
                "w AS (PARTITION BY series_id, bucket), "
                "t AS (PARTITION BY series_id, bucket ORDER BY value IS NULL, timestamp), "
                "r AS (PARTITION BY series_id, bucket ORDER BY value IS NULL, timestamp DESC), "
                "v AS (PARTITION BY series_id, bucket ORDER BY value IS NULL, value)"
            )
        page = ""
        if after is not None:
            marks = [where.parameter(part) for part in after]
            page = f"HAVING (bucket, series_id) > ({marks[0]}, {marks[1]})"
        return await self._engine.fetch(
            f"SELECT bucket, series_id, {', '.join(outer)} FROM ({points}) q "
            f"GROUP BY bucket, series_id {page} "
            f"ORDER BY bucket, series_id LIMIT {where.parameter(limit)}",
            *where.args,
        )


def _named(functions: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    numbers = finish(functions, values)
    if len(functions) == 1:
        return {"value": numbers[0]}
    return dict(zip(functions, numbers, strict=True))


async def _series_id(transaction: Transaction, key: tuple[str, str, str]) -> int:
    await transaction.execute(
        "INSERT INTO series (metric_type, name, labels) VALUES ($1, $2, $3) "
        "ON CONFLICT (metric_type, name, labels) DO NOTHING",
        *key,
    )
    ((found,),) = await transaction.fetch(
        "SELECT id FROM series WHERE metric_type = $1 AND name = $2 AND labels = $3", *key
    )
    return int(found)
