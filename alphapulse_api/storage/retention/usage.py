"""Deletes what calls of models cost: the reports, and the sums of whole days."""

from __future__ import annotations

from functools import partial
from typing import Final

from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.outbox import invalidation
from alphapulse_api.storage.retention.records import BOOKS, Expiry, delete_records
from alphapulse_api.storage.steps import Steps
from alphapulse_api.storage.tables.usage_sums import DAY, WIDTHS

SUM_BYTES: Final = 300  # of a row of sums with its index entries
WITH_USAGE: Final = ("signals", "decisions")  # the resources whose records state usage
RECORDS: Final = Expiry(
    "usage", "usage_records", "timestamp", ("book", "id"), ("text", "text"), ("metadata",)
)


async def close_usage(engine: Engine, before: int) -> None:
    """Keep the sums of usage from before that instant (microseconds): records may be deleted."""

    async def work(transaction: Transaction) -> None:
        await transaction.execute(
            'INSERT INTO usage_base ("only", base_at) VALUES (1, $1) ON CONFLICT ("only") '
            "DO UPDATE SET base_at = excluded.base_at WHERE usage_base.base_at < excluded.base_at",
            before,
        )

    await engine.write(work)


async def delete_usage(engine: Engine, steps: Steps, before: int) -> int:
    """Delete the reports from before that instant, and the sums of the days that ended by then.

    Args:
        engine: the database.
        steps: the bounds of a step.
        before: microseconds since the epoch.

    Returns:
        The number of reports.
    """
    gone = await delete_records(engine, steps, RECORDS, before)
    for (book,) in await engine.fetch(BOOKS.format(table="usage_sums")):
        for width in WIDTHS:
            await _delete_sums(engine, steps, before - before % DAY, book, width)
    return gone


async def _delete_sums(engine: Engine, steps: Steps, before: int, book: str, width: int) -> None:
    """Delete the sums of a book and a width, one step after the other."""
    oldest = (
        "SELECT start FROM usage_sums WHERE book = $1 AND width = $2 AND start < $3 "
        "ORDER BY start LIMIT 1 OFFSET $4"
    )

    async def work(transaction: Transaction, until: int) -> int:
        deleted = await transaction.execute(
            "DELETE FROM usage_sums WHERE book = $1 AND width = $2 AND start < $3",
            book, width, until,
        )  # fmt: skip
        if deleted:
            transaction.publish(invalidation("usage", [{"book": book}]))
        return deleted

    while True:
        count = max(1, steps.size // SUM_BYTES)
        rows = await engine.fetch(oldest, book, width, before, count)
        # All agents of one instant go together, so a step deletes at least those of the oldest.
        until = before
        if rows:
            ((first,),) = await engine.fetch(oldest, book, width, before, 0)
            until = max(rows[0][0], first + width)
        await steps.run(partial(work, until=until), count * SUM_BYTES)
        if not rows:
            return
