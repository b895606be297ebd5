"""Deletes rows older than `database.retention`, in short steps.

Points of metrics go by whole minutes and leave their rollups. Rollups go by whole days, and never
before the points. A series that has neither is removed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from alphapulse_api.config import RetentionConfig
from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.domain.times import now, to_micros
from alphapulse_api.storage.backfills import progress
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.engine.long_reads import long_reads
from alphapulse_api.storage.metrics.rollups.fold import DAY, MINUTE
from alphapulse_api.storage.retention.emptied import remove_emptied
from alphapulse_api.storage.retention.notifications import SILENCES, delete_unsent
from alphapulse_api.storage.retention.records import TABLES, delete_records
from alphapulse_api.storage.retention.series import delete_points, delete_rollups
from alphapulse_api.storage.retention.snapshots import delete_snapshots
from alphapulse_api.storage.retention.usage import WITH_USAGE, close_usage, delete_usage
from alphapulse_api.storage.steps import Steps

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 3600.0
MIGRATION_SECONDS: Final = 5.0  # between two checks whether rows are still migrated


Closing = Callable[[Engine, Steps, int], Awaitable[bool]]
"""Called before trades older than an instant are deleted; returns whether they may be."""


async def forget(
    engine: Engine,
    retention: RetentionConfig,
    at: datetime,
    steps: Steps | None = None,
    closing: Closing | None = None,
) -> dict[str, int]:
    """Delete records that are older than their resource's retention at the instant `at`.

    Unresolved alerts and the current portfolio stay, whatever their age. At the end, the space is
    returned to the file system. Each step is a transaction of its own, so another call continues
    what was interrupted.

    Args:
        engine: the database.
        retention: how long each resource is kept.
        at: the present.
        steps: the bounds of a step.
        closing: keeps what follows from trades.

    Returns:
        The number of rows that were deleted, by resource.

    Raises:
        Unavailable: while the database cannot serve.
    """
    steps = Steps(engine) if steps is None else steps
    gone: dict[str, int] = {}
    with long_reads():
        for resource in ("metrics", "portfolio", *TABLES):
            seconds: float | None = getattr(retention, resource)
            if seconds is None:
                continue
            before = to_micros(at - timedelta(seconds=seconds))
            if resource in WITH_USAGE:
                await close_usage(engine, before)
            if resource == "metrics":
                gone[resource] = await delete_points(engine, steps, before - before % MINUTE)
                if retention.rollups is not None:
                    before = min(before, to_micros(at - timedelta(seconds=retention.rollups)))
                    gone["rollups"] = await delete_rollups(engine, steps, before - before % DAY)
                    gone["series"] = await remove_emptied(engine, steps)
            elif resource == "portfolio":
                gone[resource] = await delete_snapshots(engine, steps, before)
            elif resource == "trades" and closing and not await closing(engine, steps, before):
                logger.warning("retention of trades waits until their profit is computed")
            else:
                gone[resource] = await delete_records(engine, steps, TABLES[resource], before)
            if resource == "decisions":
                gone["usage"] = await delete_usage(engine, steps, before)
            elif resource == "notifications":
                gone["silences"] = await delete_records(engine, steps, SILENCES, before)
        if unsent := await delete_unsent(engine, steps, to_micros(at)):
            gone["unsent"] = unsent
        if await reclaim(engine, steps) or any(gone.values()):
            await engine.truncate_log()
    return gone


async def reclaim(engine: Engine, steps: Steps) -> int:
    """Return the space of deleted rows to the file system, in steps; returns the bytes."""
    total = 0
    while returned := await steps.run(partial(engine.reclaim, size=steps.size), steps.size):
        total += returned
    return total


async def forget_forever(
    engine: Engine, retention: RetentionConfig, closing: Closing | None
) -> None:
    """Run `forget` now and every hour, until cancelled.

    While rows are migrated none are deleted: old tables lack the indexes for it.

    Args:
        engine: the database.
        retention: how long each resource is kept.
        closing: see `forget`.
    """
    while True:
        try:
            if await progress(engine):
                await asyncio.sleep(MIGRATION_SECONDS)
                continue
            deleted = await forget(engine, retention, now(), closing=closing)
            if gone := {resource: count for resource, count in deleted.items() if count}:
                logger.info("retention deleted %s", gone)
        except Unavailable as outage:  # already logged once, by the monitor
            logger.debug("retention skipped: %s", outage.detail)
        await asyncio.sleep(EVERY_SECONDS)
