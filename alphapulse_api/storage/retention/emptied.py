"""Removes the series that retention has emptied: those without points and without rollups.

Processes remember series by their numbers. A writer compares the token of each series in the
statement that locks it, and looks a removed one up again (`writer`). A reader sees the count of
removals and reads the catalogue again (`series`).
"""

from __future__ import annotations

from functools import partial
from typing import Final

from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.metrics.labels import remove_labels
from alphapulse_api.storage.metrics.series_owners import forget_removed
from alphapulse_api.storage.steps import Steps

BYTES: Final = 512  # of a series, about: its rows and their entries in indexes


async def remove_emptied(engine: Engine, steps: Steps) -> int:
    """Remove the series that have neither points nor rollups; returns how many."""
    rows = await engine.fetch("SELECT series_id FROM series_spans WHERE points = 0")
    numbers = [row[0] for row in rows]

    async def work(transaction: Transaction, some: list[int]) -> int:
        # Until the commit, no other transaction creates a series.
        await transaction.execute('UPDATE series_version SET series = series WHERE "only" = 1')
        # A series that another transaction has locked is being written to. Waiting for it would
        # deadlock with a writer that goes on to create others.
        found = await transaction.fetch(
            "SELECT series_id FROM series_spans s "
            f"WHERE {engine.among('series_id', '$1')} AND points = 0 AND NOT EXISTS "
            "(SELECT 1 FROM metric_points p WHERE p.series_id = s.series_id) AND NOT EXISTS "
            "(SELECT 1 FROM metric_rollups r WHERE r.series_id = s.series_id) "
            f"{engine.locked_free}",
            engine.listed(some),
        )
        if not found:
            return 0
        gone = engine.listed([row[0] for row in found])
        among = engine.among("id", "$1")
        sql = f"SELECT id, metric_type, name, labels FROM series WHERE {among}"
        await remove_labels(transaction, await transaction.fetch(sql, gone))
        await forget_removed(engine, transaction, [row[0] for row in found])
        for table, key in (("series_spans", "series_id"), ("series", "id")):
            await transaction.execute(f"DELETE FROM {table} WHERE {engine.among(key, '$1')}", gone)
        await transaction.execute(
            "UPDATE series_version SET series = series - $1, removals = removals + 1 "
            'WHERE "only" = 1',
            len(found),
        )
        return len(found)

    removed = at = 0
    while at < len(numbers):
        some = numbers[at : at + max(1, steps.size // BYTES)]
        removed += await steps.run(partial(work, some=some), len(some) * BYTES)
        at += len(some)
    return removed
