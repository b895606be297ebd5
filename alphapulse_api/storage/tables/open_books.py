"""Stores new records in books that are open."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from alphapulse_api.domain.books import NO_BOOK
from alphapulse_api.storage.bulk import select_rows
from alphapulse_api.storage.columns import Columns, Key, key_of
from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.tables.book_directory import BookDirectory

Record = Mapping[str, Any]
Late = Callable[[Record], bool]

TABLES: Final = ("trades", "signals", "decisions", "alerts", "portfolio_snapshots")
"""The tables with records in books. A change of a book waits for the transactions that write them.
"""


def never(_: Record) -> bool:
    """No new record is late."""
    return False


def is_correction(record: Record) -> bool:
    """Whether a record replaces another, which a closed book takes."""
    return record.get("corrects") is not None


async def insert_open(
    transaction: Transaction,
    columns: Columns,
    records: Mapping[Key, Record],
    directory: BookDirectory,
    late: Late = never,
) -> tuple[set[Key], dict[Key, dict[str, Any]], set[Key]]:
    """Store the records whose book and id are new, except those in closed books.

    Args:
        columns: of the table.
        records: the columns' values, by book and id.
        directory: the books.
        late: whether a closed book takes a new record.

    Returns:
        The keys of those that were stored; the other rows as they are stored, by key; and the keys
        of those that a closed book refuses.
    """
    books = {book for book, _ in records if book is not None}
    shut = {book.id for book in directory.remembered(books) if book.closed}
    if shut:
        shut = _closed(await directory.read(transaction, books), books)
    barred = {key for key in records if key[0] in shut and not late(records[key])}
    wanted = {key: records[key] for key in records if key not in barred} if barred else records
    added, known, token = await columns.insert_new(transaction, wanted)
    if added and token is not None:
        now_shut = _closed(await directory.current(transaction, token, books), books) - shut
        outdated = {key for key in added if key[0] in now_shut and not late(records[key])}
        if outdated:
            await _delete(transaction, columns, outdated)
            added -= outdated
            barred |= outdated
    if barred:
        keys = [(book or NO_BOOK, id_) for book, id_ in barred]
        for row in await select_rows(
            transaction, columns.select, columns.table, ("book", "id"), keys
        ):
            stored = columns.read(row)
            known[key_of(stored)] = stored
            barred.discard(key_of(stored))
    return added, known, barred


def _closed(known: Mapping[str, Any], books: Collection[str]) -> set[str]:
    return {book for book in books if book in known and known[book].closed}


async def _delete(transaction: Transaction, columns: Columns, keys: Iterable[Key]) -> None:
    """Delete rows that were inserted just before."""
    for book, id_ in keys:
        await transaction.execute(
            f"DELETE FROM {columns.table} WHERE book = $1 AND id = $2", book or NO_BOOK, id_
        )
