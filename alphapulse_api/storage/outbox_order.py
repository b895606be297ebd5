"""The rows of the outbox that a record has, and how they are found: on SQLite without an index.

Rows are removed within a second, so there are few, and a transaction that looks for older rows of
its records reads their ids once. Sorted by id and with an index by record, the row of a
trade that is stored alone changed 3.6 pages of 4 KiB, of 14 in all; without them it changes 1.2.
PostgreSQL needs the indexes: other processes write at the same time, and it keeps removed rows
until the table is vacuumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alphapulse_api.storage.engine.base import Transaction
from alphapulse_api.storage.engine.outbox import COLUMNS


async def ids_of(
    transaction: Transaction, channel: str, book: str, records: str | Sequence[str] | None
) -> list[str]:
    """The ids of the rows of some records, and of the rows that several new records share.

    Args:
        transaction: reads them.
        channel: of the rows.
        book: of the records.
        records: an id, or several; None: all of the book.
    """
    if transaction.takes_arrays:
        condition = "channel = $1 AND book = $2"
        args: list[Any] = [channel, book]
        if records is not None:
            among = "$3" if isinstance(records, str) else "ANY(CAST($3 AS text[]))"
            args.append(records if isinstance(records, str) else list(records))
            condition += f" AND (record_id = {among} OR record_id IS NULL)"
        rows = await transaction.fetch(f"SELECT id FROM outbox WHERE {condition}", *args)
        return [id_ for (id_,) in rows]
    # Nobody else writes to SQLite's table during a transaction.
    if transaction.stored is None:
        transaction.stored = {}
        sql = "SELECT channel, book, record_id, id FROM outbox"
        for its_channel, its_book, its_record, id_ in await transaction.fetch(sql):
            of_book = transaction.stored.setdefault((its_channel, its_book), {})
            of_book.setdefault(its_record, []).append(id_)
    of_book = transaction.stored.get((channel, book), {})
    if records is None:
        return [id_ for ids in of_book.values() for id_ in ids]
    wanted = (records,) if isinstance(records, str) else records
    return [id_ for record in (*wanted, None) for id_ in of_book.get(record, ())]


async def keep_in_order(transaction: Transaction) -> None:
    """Make the table of the outbox anew on SQLite, with the rows that it has: a migration."""
    if transaction.takes_arrays:  # PostgreSQL
        return
    await transaction.execute("ALTER TABLE outbox RENAME TO outbox_by_id")
    await transaction.execute(
        "CREATE TABLE outbox (id TEXT NOT NULL, channel TEXT, book TEXT NOT NULL DEFAULT 'main', "
        "record_id TEXT, revision INTEGER NOT NULL, tags TEXT NOT NULL, body TEXT)"
    )
    await transaction.execute(
        f"INSERT INTO outbox ({COLUMNS}) SELECT {COLUMNS} FROM outbox_by_id ORDER BY id"
    )
    await transaction.execute("DROP TABLE outbox_by_id")
