"""Percentiles and stddev, which no rollup gives: in SQL over the points, the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alphapulse_api.data.aggregation import finish, sql_columns
from alphapulse_api.data.engine.base import Engine


async def ranked(
    engine: Engine, ids: Any, functions: Sequence[str], width: int, start: int, end: int
) -> dict[tuple[int, int], dict[str, float | int | None]]:
    """The functions over [start, end) by bucket's start and series.

    Args:
        ids: the series' numbers, `listed`.
        width: of a bucket, as `start` and `end` in microseconds.
    """
    inner, outer = sql_columns(functions)
    rows = await engine.fetch(
        f"SELECT bucket, series_id, {', '.join(outer)} FROM ("
        f"SELECT series_id, bucket, value, {', '.join(inner)} FROM ("
        f"SELECT series_id, timestamp, {engine.bucket('timestamp', '$2')} AS bucket, value "
        f"FROM metric_points WHERE {engine.among('series_id', '$1')} "
        "AND timestamp >= $3 AND timestamp < $4) p WINDOW "
        "w AS (PARTITION BY series_id, bucket), "
        "v AS (PARTITION BY series_id, bucket ORDER BY value IS NULL, value)"
        ") q GROUP BY bucket, series_id",
        ids, width, start, end,
    )  # fmt: skip
    # What begins before the year 1 begins for PostgreSQL at the beginning of time: it is the
    # bucket of the range's first instant.
    first = start // width * width
    return {
        (max(row[0], first), row[1]): dict(zip(functions, finish(functions, row[2:]), strict=True))
        for row in rows
    }
