"""Makes the sums of usage anew from signals, decisions and reports, a day at a time.

Sums of days without records, and of days from which retention may have deleted any, stay until it
deletes them, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.tables.decision_columns import DECISIONS
from alphapulse_api.storage.tables.signals import SIGNALS
from alphapulse_api.storage.tables.usage import RECORDS
from alphapulse_api.storage.tables.usage_sums import DAY, Called, calls_of, count

PAGE: Final = 1000  # records read at once
# Table, its columns, and its time.
_SOURCES: Final = ((SIGNALS, "timestamp"), (DECISIONS, "made_at"))
_BOOKS: Final = "SELECT id FROM books ORDER BY id"
# No writer may count a record of the day in between: SQLite has one writer anyway.
_LOCK: Final = "LOCK TABLE usage_sums IN SHARE ROW EXCLUSIVE MODE"


async def rebuild(engine: Engine) -> int:
    """Count all records again; returns how many days of books there are."""
    days = 0
    base = await engine.fetch("SELECT base_at FROM usage_base")
    first = -(-base[0][0] // DAY) * DAY if base else None
    for (book,) in await engine.fetch(_BOOKS):
        async for start in _days(engine, book, first):

            async def work(transaction: Transaction, book: str = book, start: int = start) -> None:
                await _count_again(transaction, book, start)

            await engine.write(work)
            days += 1
    return days


async def _days(engine: Engine, book: str, at: int | None) -> AsyncIterator[int]:
    """The starts of the days of a book that have records, from an instant on (None: all)."""
    while True:
        first: list[int] = []
        for columns, time in (*_SOURCES, (RECORDS, "timestamp")):
            after = "" if at is None else f"AND {time} >= $2"
            args = (book,) if at is None else (book, at)
            rows = await engine.fetch(
                f"SELECT min({time}) FROM {columns.table} WHERE book = $1 {after}", *args
            )
            first += [row[0] for row in rows if row[0] is not None]
        if not first:
            return
        start = min(first) // DAY * DAY
        yield start
        at = start + DAY


async def _count_again(transaction: Transaction, book: str, start: int) -> None:
    if transaction.takes_arrays:
        await transaction.fetch(_LOCK)
    await transaction.execute(
        "DELETE FROM usage_sums WHERE book = $1 AND start >= $2 AND start < $3",
        book,
        start,
        start + DAY,
    )
    for columns, time in _SOURCES:
        async for rows in _pages(transaction, columns.select, columns.table, time, book, start):
            records = [columns.read(row) for row in rows]
            await count(transaction, (call for one in records for call in calls_of(one, time)))
    async for rows in _pages(transaction, RECORDS.select, RECORDS.table, "timestamp", book, start):
        records = [one for one in map(RECORDS.read, rows) if one["counted"]]
        await count(
            transaction,
            (Called(book, one["timestamp"], one["agent_id"], one) for one in records),
        )


async def _pages(
    transaction: Transaction, select: str, table: str, time: str, book: str, start: int
) -> AsyncIterator[Sequence[Sequence[object]]]:
    """The records of a day, in pages."""
    last: tuple[object, str] = (start, "")
    while True:
        rows = await transaction.fetch(
            f"SELECT {time}, id, {select} FROM {table} WHERE book = $1 AND {time} < $2 "
            f"AND ({time}, id) > ($3, $4) ORDER BY {time}, id LIMIT {PAGE}",
            book,
            start + DAY,
            *last,
        )
        if rows:
            yield [row[2:] for row in rows]
        if len(rows) < PAGE:
            return
        last = (rows[-1][0], rows[-1][1])
