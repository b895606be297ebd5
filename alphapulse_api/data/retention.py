"""Forgetting: rows older than `database.retention` go, a small batch a transaction."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from alphapulse_api.config import RetentionConfig
from alphapulse_api.data.engine import Engine, Transaction
from alphapulse_api.errors import Unavailable
from alphapulse_api.times import now, to_micros

logger = logging.getLogger(__name__)

BATCH: Final = 5000  # rows a transaction: other writes wait a few milliseconds at most
EVERY_SECONDS: Final = 3600.0


class _Forgotten(NamedTuple):
    table: str
    age: str  # the column that tells it
    key: str
    condition: str = ""  # besides age
    source: str = ""  # where the old are looked for, if not in the table itself


# By field of RetentionConfig.
TABLES: Final = {
    "metrics": _Forgotten(
        "metric_points",
        "timestamp",
        "series_id, timestamp",
        "AND series_id = id",
        # A step into each series: the points have no index by time alone. CROSS keeps this order.
        source="series CROSS JOIN metric_points",
    ),
    "trades": _Forgotten("trades", "executed_at", "id"),
    "alerts": _Forgotten("alerts", "created_at", "id", "AND status = 'resolved'"),
    "portfolio": _Forgotten(
        "portfolio_snapshots",
        "as_of",
        "as_of",
        "AND as_of < (SELECT max(as_of) FROM portfolio_snapshots)",
    ),
    "signals": _Forgotten("signals", "timestamp", "id"),
    "system": _Forgotten("system_samples", "timestamp", "component, timestamp"),
}


async def forget(engine: Engine, retention: RetentionConfig, at: datetime) -> dict[str, int]:
    """Delete what is older than each resource's retention at the instant `at`.

    Unresolved alerts and the current portfolio stay, whatever their age.

    Returns:
        Rows deleted a resource.
    """
    gone: dict[str, int] = {}
    for resource, (table, age, key, condition, source) in TABLES.items():
        seconds: float | None = getattr(retention, resource)
        if seconds is None:
            continue
        before = to_micros(at - timedelta(seconds=seconds))
        statement = (
            f"DELETE FROM {table} WHERE ({key}) IN "
            f"(SELECT {key} FROM {source or table} WHERE {age} < $1 {condition} LIMIT {BATCH})"
        )

        async def work(transaction: Transaction, sql: str = statement, limit: int = before) -> int:
            return await transaction.execute(sql, limit)

        gone[resource] = 0
        while deleted := await engine.write(work):
            gone[resource] += deleted
    return gone


async def forget_forever(engine: Engine, retention: RetentionConfig) -> None:
    """Run `forget` now and every hour, until cancelled."""
    while True:
        try:
            gone = {k: n for k, n in (await forget(engine, retention, now())).items() if n}
            if gone:
                logger.info("retention deleted %s", gone)
        except Unavailable as error:
            logger.warning("retention skipped: %s", error.detail)
        await asyncio.sleep(EVERY_SECONDS)
