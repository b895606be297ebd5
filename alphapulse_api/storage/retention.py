"""Retention: deletes rows older than `database.retention`, in small batches.

Points of metrics go by whole minutes and leave their rollups; these go by whole days, and never
before the points.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final, NamedTuple

from alphapulse_api.config import RetentionConfig
from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.domain.times import now, to_micros
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.metrics.rollups.fold import DAY, MINUTE, WIDTHS
from alphapulse_api.storage.metrics.rollups.write import settle, shorten

logger = logging.getLogger(__name__)

BATCH: Final = 5000  # rows a transaction: other writes wait a few milliseconds at most
SERIES: Final = 20  # statements a transaction
EVERY_SECONDS: Final = 3600.0


_Delete = Callable[[Transaction, int, int], Awaitable[int]]  # of a series, so many rows at most


class _Expired(NamedTuple):
    table: str
    age: str  # the column that holds the time
    key: str
    condition: str = ""  # a condition besides the age
    parts: str = ""  # another table whose rows are deleted too, and the column with their key


# By field of RetentionConfig; metric points are found series by series.
TABLES: Final = {
    "trades": _Expired("trades", "executed_at", "id", parts="trade_states WHERE trade_id"),
    "alerts": _Expired("alerts", "created_at", "id", "AND status = 'resolved'"),
    "portfolio": _Expired(
        "portfolio_snapshots",
        "as_of",
        "as_of",
        "AND as_of <> (SELECT as_of FROM portfolio_current)",
    ),
    "signals": _Expired("signals", "timestamp", "id"),
    "system": _Expired("system_samples", "timestamp", "component, timestamp"),
}


async def forget(engine: Engine, retention: RetentionConfig, at: datetime) -> dict[str, int]:
    """Delete rows that are older than the retention of their resource at the instant `at`.

    Unresolved alerts and the current portfolio stay, regardless of age.

    Returns:
        Rows deleted a resource.
    """
    gone: dict[str, int] = {}
    for resource in ("metrics", *TABLES):
        seconds: float | None = getattr(retention, resource)
        if seconds is None:
            continue
        before = to_micros(at - timedelta(seconds=seconds))
        if resource == "metrics":
            gone[resource] = await _forget_points(engine, before - before % MINUTE)
            if retention.rollups is not None:
                before = min(before, to_micros(at - timedelta(seconds=retention.rollups)))
                gone["rollups"] = await _forget_rollups(engine, before - before % DAY)
        else:
            gone[resource] = await _forget_rows(engine, TABLES[resource], before)
    return gone


async def _forget_rows(engine: Engine, forgotten: _Expired, before: int) -> int:
    """Delete rows of a table before that instant (microseconds); return their number."""
    table, age, key, condition, parts = forgotten
    old = f"SELECT {key} FROM {table} WHERE {age} < $1 {condition} ORDER BY {age} LIMIT {BATCH}"

    async def work(transaction: Transaction) -> int:
        if parts:
            await transaction.execute(f"DELETE FROM {parts} IN ({old})", before)
        return await transaction.execute(f"DELETE FROM {table} WHERE ({key}) IN ({old})", before)

    gone = deleted = await engine.write(work)
    while deleted >= BATCH:
        deleted = await engine.write(work)
        gone += deleted
    return gone


async def _forget_points(engine: Engine, before: int) -> int:
    """The same for metric points, which have no index by time alone: a step into each series."""
    old = await engine.fetch(
        "SELECT id FROM series "
        "WHERE (SELECT min(timestamp) FROM metric_points WHERE series_id = id) < $1 ORDER BY id",
        before,
    )

    async def delete(transaction: Transaction, number: int, limit: int) -> int:
        await settle(engine, transaction, [number])
        # Before any is deleted: whoever writes into these minutes must know that the stored points
        # are not all of them.
        await transaction.execute(
            "UPDATE series_spans SET whole_from = $2 "
            "WHERE series_id = $1 AND (whole_from IS NULL OR whole_from < $2)",
            number,
            before,
        )
        return await transaction.execute(
            "DELETE FROM metric_points WHERE series_id = $1 AND timestamp IN (SELECT timestamp "
            "FROM metric_points WHERE series_id = $1 AND timestamp < $2 "
            "ORDER BY timestamp LIMIT $3)",
            number,
            before,
            limit,
        )

    return await _forget_by_series(engine, [row[0] for row in old], delete)


async def _forget_rollups(engine: Engine, before: int) -> int:
    """The same for rollups, of all widths; `before` is the start of a day."""
    old = await engine.fetch(
        "SELECT series_id FROM series_spans WHERE first_at < $1 ORDER BY series_id", before
    )

    async def delete(transaction: Transaction, number: int, limit: int) -> int:
        await settle(engine, transaction, [number])
        gone = 0
        for width in WIDTHS:
            gone += await transaction.execute(
                "DELETE FROM metric_rollups WHERE series_id = $1 AND width = $2 AND bucket IN ("
                "SELECT bucket FROM metric_rollups WHERE series_id = $1 AND width = $2 "
                "AND bucket < $3 ORDER BY bucket LIMIT $4)",
                number,
                width,
                before,
                limit - gone,
            )
        if gone < limit:
            await shorten(transaction, number)
        return gone

    return await _forget_by_series(engine, [row[0] for row in old], delete)


async def _forget_by_series(engine: Engine, series: list[int], delete: _Delete) -> int:
    """Call `delete` until nothing is left of these series; return the number of rows."""

    async def work(transaction: Transaction, some: list[int]) -> int:
        gone = 0
        for number in some:
            gone += await delete(transaction, number, BATCH - gone)
            if gone >= BATCH:
                break
        return gone

    gone = 0
    for at in range(0, len(series), SERIES):
        part = partial(work, some=series[at : at + SERIES])
        deleted = BATCH
        while deleted >= BATCH:
            deleted = await engine.write(part)
            gone += deleted
    return gone


async def forget_forever(engine: Engine, retention: RetentionConfig) -> None:
    """Run `forget` now and every hour, until cancelled."""
    while True:
        try:
            gone = {k: n for k, n in (await forget(engine, retention, now())).items() if n}
            if gone:
                logger.info("retention deleted %s", gone)
        except Unavailable as outage:  # already logged once, by the monitor
            logger.debug("retention skipped: %s", outage.detail)
        await asyncio.sleep(EVERY_SECONDS)
