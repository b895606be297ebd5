"""Deletes the records of a table that are too old, in steps bounded by their bytes.

A reader finds the oldest records and their sizes, a page at a time, so that the writer does not
search. A step deletes some of them by their keys, and only those that are still to be deleted.
Tables with books are read one book after another, in the order of their indexes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.encoding import loads_stored
from alphapulse_api.domain.tags import LISTS, TAGGED
from alphapulse_api.storage.bulk import keys_as_rows
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.outbox import invalidation
from alphapulse_api.storage.retention.links import remove_of_decisions, unlink_trades
from alphapulse_api.storage.steps import Steps
from alphapulse_api.storage.tables.alert_occurrences import forget_fingerprints
from alphapulse_api.storage.tables.audit import let_go

PAGE: Final = 200  # records a read
RECORD_BYTES: Final = 200  # of a record with its index entries, besides its large columns
PART_BYTES: Final = 64  # of a row that belongs to a record, besides its large columns


class Parts(NamedTuple):
    """Rows that belong to records.

    Attributes:
        table: of these rows.
        columns: those with the key of the record.
        large: columns whose size is not bounded by a few bytes.
    """

    table: str
    columns: tuple[str, ...]
    large: tuple[str, ...] = ()


Clean = Callable[[Transaction, Sequence[Sequence[Any]]], Awaitable[None]]
"""Removes what belongs to the records with these keys, before they are deleted."""


class Expiry(NamedTuple):
    """Which records of a table expire.

    Attributes:
        resource: the resource whose cached answers contain them.
        table: the table.
        age: the column with the time that decides.
        key: the columns of its key, with `book` first if the table has books.
        types: the types of those, by PostgreSQL's names.
        large: columns whose size is not bounded by a few bytes.
        condition: SQL for the records that may be deleted at all.
        parts: rows that belong to a record.
        clean: removes what else belongs to them.
    """

    resource: str
    table: str
    age: str
    key: tuple[str, ...]
    types: tuple[str, ...]
    large: tuple[str, ...]
    condition: str = "1 = 1"
    parts: Parts | None = None
    clean: Clean | None = None


TABLES: Final = {
    "trades": Expiry(
        "trades", "trades", "executed_at", ("book", "id"), ("text", "text"),
        ("metadata", "fees"),
        parts=Parts("trade_states", ("book", "trade_id")),
        clean=unlink_trades,
    ),
    "alerts": Expiry(
        "alerts", "alerts", "created_at", ("book", "id"), ("text", "text"),
        ("message", "comments", "tags", "metadata"),
        condition="status = 'resolved'",
        clean=forget_fingerprints,
    ),
    "signals": Expiry(
        "agents", "signals", "timestamp", ("book", "id"), ("text", "text"),
        ("metadata", "usage"),
        # The others are deleted with their decisions.
        condition="NOT EXISTS (SELECT 1 FROM decision_signals l "
        "WHERE l.book = signals.book AND l.signal_id = signals.id)",
        parts=Parts("signal_texts", ("book", "signal_id"), ("thesis", "inputs")),
    ),
    "decisions": Expiry(
        "decisions", "decisions", "made_at", ("book", "id"), ("text", "text"),
        ("signal_ids", "votes", "targets", "constraints", "usage", "metadata"),
        parts=Parts("decision_texts", ("book", "decision_id"), ("reasoning",)),
        clean=remove_of_decisions,
    ),
    "system": Expiry(
        "system", "system_samples", "timestamp", ("component", "timestamp"),
        ("text", "timestamptz"), ("metrics", "message"),
    ),
    "audit": Expiry(
        "audit", "audit", "at", ("at", "id"), ("timestamptz", "text"), ("before", "after"),
        clean=let_go,
    ),
    "commands": Expiry(
        "commands", "commands", "created_at", ("id",), ("text",), ("parameters", "result"),
        condition="deadline IS NULL",
    ),
    "notifications": Expiry(
        "notifications", "deliveries", "created_at", ("id",), ("text",), ("last_error",),
        # What waits is needed until it is settled, also a change that is not routed.
        condition="due_at IS NULL AND receiver <> ''",
    ),
}  # fmt: skip
"""By field of RetentionConfig."""


# Each book is found by the index of the key, because reading all records would take long.
BOOKS: Final = (
    "WITH RECURSIVE books (book) AS (SELECT min(book) FROM {table} UNION ALL "
    "SELECT (SELECT min(book) FROM {table} WHERE book > books.book) FROM books "
    "WHERE book IS NOT NULL) SELECT book FROM books WHERE book IS NOT NULL"
)


class _Record(NamedTuple):
    key: tuple[Any, ...]
    size: int  # bytes
    tagged: dict[str, Any]  # the fields whose values have tags


async def delete_records(engine: Engine, steps: Steps, expiry: Expiry, before: int) -> int:
    """Delete a table's records from before that instant (microseconds); returns how many."""
    if expiry.key[0] != "book":
        return await _delete_in_order(engine, steps, expiry, before)
    gone = 0
    for (book,) in await engine.fetch(BOOKS.format(table=expiry.table)):
        gone += await _delete_in_order(engine, steps, expiry, before, book)
    return gone


async def _delete_in_order(
    engine: Engine, steps: Steps, expiry: Expiry, before: int, *book: str
) -> int:
    """Delete the expired records of a table, or of one book in it; returns how many."""
    gone = 0
    position: Sequence[Any] = book
    while True:
        page = await _page(engine, expiry, before, position)
        expired = [record for record, _ in page if record.size]
        while expired:
            step = _within(expired, steps.size)
            del expired[: len(step)]
            delete = partial(_delete, engine, expiry, before, step)
            gone += await steps.run(delete, sum(record.size for record in step))
        if len(page) < PAGE:
            return gone
        position = page[-1][1]


async def _page(
    engine: Engine, expiry: Expiry, before: int, position: Sequence[Any]
) -> list[tuple[_Record, Sequence[Any]]]:
    """The oldest records after a position, and the position of each.

    A record that must stay has the size 0. Filtering those in SQL could take a statement over all
    records of the table.

    Args:
        position: of the last record before; in a table with books, the book alone to begin with.
    """
    booked = expiry.key[0] == "book"
    rest = (column for column in expiry.key if column not in ("book", expiry.age))
    order = (*(("book",) if booked else ()), expiry.age, *rest)
    tagged = TAGGED.get(expiry.resource, ())
    sizes = [str(RECORD_BYTES), *(f"coalesce({engine.size(c)}, 0)" for c in expiry.large)]
    if expiry.parts is not None:
        table, columns, large = expiry.parts
        same = " AND ".join(
            f"{table}.{column} = {expiry.table}.{name}"
            for column, name in zip(columns, expiry.key, strict=True)
        )
        each = [str(PART_BYTES), *(f"coalesce({engine.size(f'{table}.{c}')}, 0)" for c in large)]
        sizes.append(f"(SELECT coalesce(sum({' + '.join(each)}), 0) FROM {table} WHERE {same})")
    size = f"CASE WHEN {expiry.condition} THEN {' + '.join(sizes)} ELSE 0 END"
    conditions = [f"{expiry.age} < $1"]
    marks = [f"${number}" for number in range(3, 3 + len(position))]
    if booked:
        conditions.append(f"book = {marks[0]}")
    if len(position) == len(order):
        skipped = 1 if booked else 0
        conditions.append(f"({', '.join(order[skipped:])}) > ({', '.join(marks[skipped:])})")
    rows = await engine.fetch(
        f"SELECT {', '.join((*expiry.key, *order, *tagged))}, {size} FROM {expiry.table} "
        f"WHERE {' AND '.join(conditions)} ORDER BY {', '.join(order)} LIMIT $2",
        before,
        PAGE,
        *position,
    )
    keys, places = len(expiry.key), len(expiry.key) + len(order)
    return [
        (
            _Record(
                tuple(row[:keys]),
                int(row[-1]),
                {
                    name: loads_stored(value) if name in LISTS else value
                    for name, value in zip(tagged, row[places:-1], strict=True)
                }
                | ({"book": row[0]} if booked else {}),
            ),
            tuple(row[keys:places]),
        )
        for row in rows
    ]


def _within(records: Sequence[_Record], size: int) -> list[_Record]:
    """The first records that have at most so many bytes together; at least one."""
    for count, record in enumerate(records):
        size -= record.size
        if size < 0:
            return list(records[: max(count, 1)])
    return list(records)


async def _delete(
    engine: Engine,
    expiry: Expiry,
    before: int,
    records: Sequence[_Record],
    transaction: Transaction,
) -> int:
    """Delete those of the records that may still be deleted; returns how many."""
    rows, args = keys_as_rows(transaction, expiry.types, [record.key for record in records])
    key = ", ".join(expiry.key)
    # Locked in order, so that two processes do not deadlock. The condition is checked again,
    # because a record may have changed since it was read.
    conditions = expiry.condition
    if expiry.age not in expiry.key:
        # Negated, so that SQLite does not read the range of the index but the keys.
        args = (*args, before)
        conditions += f" AND NOT {expiry.age} >= ${len(args)}"
    still = (
        f"SELECT {key} FROM {expiry.table} WHERE ({key}) IN ({rows}) AND {conditions} "
        f"ORDER BY {key} {engine.locked}"
    )
    if expiry.clean is not None:
        await expiry.clean(transaction, await transaction.fetch(still, *args))
    if expiry.parts is not None:
        table, columns, _ = expiry.parts
        await transaction.execute(
            f"DELETE FROM {table} WHERE ({', '.join(columns)}) IN ({still})", *args
        )
    gone = await transaction.execute(
        f"DELETE FROM {expiry.table} WHERE ({key}) IN ({still})", *args
    )
    if gone:
        tagged = [record.tagged for record in records]
        transaction.publish(invalidation(expiry.resource, tagged))
    return gone
