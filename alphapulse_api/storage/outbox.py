"""The outbox: events that are stored in the transaction of their records, until they are relayed.

A unit of work passes its rows to its transaction. The engine inserts the rows of a whole group
before the COMMIT and passes them to the relay after it (record/relay.py). A row that is still
stored some seconds later was usually left by a process that died. Any other process may relay it,
because the event log deduplicates by the id of the row.

Rows are relayed in the order of their ids. Ids are UUIDs of version 7. The ids of the rows of one
record ascend in the order of their commits, even if the clocks of the processes differ.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, Final

import uuid_utils

from alphapulse_api.domain.books import NO_BOOK
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.outbox import TOGETHER, OutboxRow
from alphapulse_api.domain.points import Points
from alphapulse_api.domain.tags import tags_of, tags_of_book, tags_of_series
from alphapulse_api.storage.engine.base import Engine, Transaction
from alphapulse_api.storage.engine.outbox import COLUMNS, insert
from alphapulse_api.storage.outbox_order import ids_of

Record = Mapping[str, Any]
_Store = Engine | Transaction
_UUID_LENGTH: Final = 36


def new_id() -> str:
    """A new id of a row."""
    return str(uuid_utils.uuid7())


def _after(id_: str) -> str:
    """An id that sorts after this one and before any id of a later time."""
    # Random digits, because another process may follow the same id in another history.
    uuid, number = id_[:_UUID_LENGTH], id_[_UUID_LENGTH + 1 : _UUID_LENGTH + 9]
    return f"{uuid}-{int(number or '0', 16) + 1:08x}{secrets.token_hex(4)}"


def _id_at(seconds: float) -> str:
    """A lower bound of the ids of rows that are created later."""
    digits = f"{int(1000 * seconds):012x}"
    return f"{digits[:8]}-{digits[8:]}"


def invalidation(resource: str, records: Iterable[Mapping[str, Any]] = ()) -> OutboxRow:
    """A row without an event, for written records."""
    return OutboxRow(new_id(), None, None, 1, tags_of(resource, records))


def invalidation_of_book(book: str) -> OutboxRow:
    """A row without an event, for a changed book."""
    return OutboxRow(new_id(), None, None, 1, tags_of_book(book))


def invalidation_of_series(series: Iterable[tuple[str, str | None]]) -> OutboxRow:
    """A row without an event, for changed metrics; see `tags_of_series`."""
    return OutboxRow(new_id(), None, None, 1, tags_of_series(series))


def resync(channel: str) -> OutboxRow:
    """A row for events that are not published one by one; clients read the channel again."""
    return OutboxRow(new_id(), channel, None, 1, (channel,))


def of_points(parts: Sequence[Points], *, with_bodies: bool) -> OutboxRow:
    """A row for a batch of metric points.

    Args:
        parts: the points.
        with_bodies: whether another process publishes them from the table.
    """
    tags = tuple(sorted({tag for part in parts for tag in part.tags}))
    if with_bodies:
        bodies = [dumps(point) for part in parts for point in part]
        return OutboxRow(new_id(), "metrics", None, len(bodies), tags, bodies)
    return OutboxRow(new_id(), None, None, 1, tags, points=parts)


def of_new(
    channel: str, records: Iterable[Mapping[str, Any]], *, resource: str | None = None
) -> list[OutboxRow]:
    """Rows for new records; the records of a row are of one book.

    Args:
        channel: of the events, or another name in `LOGGED`.
        records: as stored.
        resource: whose cached answers they make stale; default: the channel.
    """
    by_book: dict[str | None, list[Mapping[str, Any]]] = {}
    for record in records:
        by_book.setdefault(record["book"], []).append(record)
    rows = []
    for book, of_book in by_book.items():
        for at in range(0, len(of_book), TOGETHER):
            part = of_book[at : at + TOGETHER]
            record_id = part[0]["id"] if len(of_book) == 1 else None
            bodies = [dumps(record) for record in part]
            revision = 0 if record_id else len(part)
            tags = tags_of(resource or channel, part)
            row = OutboxRow(
                new_id(), channel, record_id, revision, tags, bodies, part, book=book or NO_BOOK
            )
            rows.append(row)
    return rows


async def of_change(
    transaction: Transaction,
    channel: str,
    record: Mapping[str, Any],
    revision: int,
    *,
    record_id: str,
    relayed: Container[str],
    reference: bool = False,
) -> list[OutboxRow]:
    """The rows for a change of a stored record, whose row in its table is locked.

    The process that made the previous change may not have relayed it, and never will if it died.
    The rows of that change come first.

    Args:
        record: after the change.
        revision: greater than that of the previous change.
        record_id: the id of the record; for a portfolio, which is one record, the snapshot's id.
        relayed: `Engine.relayed`.
        reference: whether the body stays in the record's own table.
    """
    book = record["book"] or NO_BOOK
    whose = None if reference else record_id
    older = await _pending(transaction, channel, book, whose, relayed)
    id_ = _newer(transaction, (channel, book, whose), older)
    bodies = () if reference else (dumps(record),)
    return [*older, _changed(id_, channel, record, revision, record_id, bodies)]


async def of_changes(
    transaction: Transaction,
    channel: str,
    book: str,
    changes: Sequence[tuple[Record, int]],
    *,
    relayed: Container[str],
) -> list[OutboxRow]:
    """`of_change` for several records of a book and their revisions, with one query."""
    ids = [record["id"] for record, _ in changes]
    older = await _pending(transaction, channel, book, ids, relayed)
    rows = list(older)
    for record, revision in changes:
        id_ = _newer(transaction, (channel, book, record["id"]), older)
        rows.append(_changed(id_, channel, record, revision, record["id"], (dumps(record),)))
    return rows


def _changed(
    id_: str, channel: str, record: Record, revision: int, record_id: str, bodies: Sequence[bytes]
) -> OutboxRow:
    tags, book = tags_of(channel, (record,)), record["book"] or NO_BOOK
    return OutboxRow(id_, channel, record_id, revision, tags, bodies, (record,), book=book)


def _newer(transaction: Transaction, key: Any, older: Sequence[OutboxRow]) -> str:
    """An id for a change of a record that sorts after those of its older changes."""
    last = max(older[-1].id if older else "", transaction.newest.get(key, ""))
    id_ = new_id()
    if id_ <= last:
        id_ = _after(last)  # the process that made it has a clock ahead of ours
    transaction.newest[key] = id_
    return id_


async def pending(engine: Engine, channel: str) -> set[str]:
    """The ids of the rows of a channel that may not have been relayed."""
    found = await engine.fetch("SELECT id FROM outbox WHERE channel = $1", channel)
    return {id_ for (id_,) in found if id_ not in engine.relayed}


async def read(store: Engine | Transaction, ids: Sequence[str]) -> list[OutboxRow]:
    """The rows with these ids, in the order of the ids."""
    condition, args = _among(store, ids)
    sql = f"SELECT {COLUMNS} FROM outbox WHERE {condition} ORDER BY id"
    return [_row(*row) for row in await store.fetch(sql, args)]


async def oldest(engine: Engine, limit: int) -> dict[str, int]:
    """The number of events of each of the oldest rows, by id."""
    found = await engine.fetch(
        "SELECT id, CASE WHEN record_id IS NULL THEN revision ELSE 1 END FROM outbox "
        "ORDER BY id LIMIT $1",
        limit,
    )
    return {id_: count for id_, count in found}


async def remove(engine: Engine, ids: Sequence[str]) -> None:
    """Remove rows that were relayed."""

    async def work(transaction: Transaction) -> None:
        condition, args = _among(transaction, ids)
        if transaction.takes_arrays:
            # Another process may remove the same rows; in another order, that would deadlock.
            condition = f"id IN (SELECT id FROM outbox WHERE {condition} FOR UPDATE SKIP LOCKED)"
        await transaction.execute(f"DELETE FROM outbox WHERE {condition}", args)

    await engine.write(work)


async def collapse(engine: Engine, size: int, ttl: float) -> None:
    """Replace rows that have waited too long, or are too many, by one gap a channel.

    Args:
        size: the number of events of a channel that may wait.
        ttl: the seconds that an event may wait.
    """
    before = _id_at(time.time() - ttl)
    sql = (
        "SELECT channel, min(id), max(id), CAST(sum(revision) AS bigint) FROM outbox "
        "WHERE record_id IS NULL GROUP BY channel UNION ALL "
        "SELECT channel, min(id), max(id), count(*) FROM outbox "
        "WHERE record_id IS NOT NULL GROUP BY channel"
    )

    async def work(transaction: Transaction) -> None:
        events: Counter[str | None] = Counter()
        oldest: dict[str | None, str] = {}
        newest: dict[str | None, str] = {}
        for channel, first, last, count in await transaction.fetch(sql):
            events[channel] += count
            oldest[channel] = min(first, oldest.get(channel, first))
            newest[channel] = max(last, newest.get(channel, last))
        for channel, count in events.items():
            if count <= size and oldest[channel] >= before:
                continue
            condition = "id <= $1 AND channel = $2"
            args = [newest[channel], channel]
            if channel is None:
                condition, args = "id <= $1 AND channel IS NULL", [newest[channel]]
            lines = await transaction.fetch(
                f"SELECT DISTINCT tags FROM outbox WHERE {condition}", *args
            )
            tags = sorted({tag for (text,) in lines for tag in text.split("\n")})
            await transaction.execute(f"DELETE FROM outbox WHERE {condition}", *args)
            await insert(transaction, [OutboxRow(new_id(), channel, None, 1, tags)])

    await engine.write(work)


async def _pending(
    transaction: Transaction,
    channel: str,
    book: str,
    record_id: str | Sequence[str] | None,
    relayed: Container[str],
) -> list[OutboxRow]:
    """Rows of records that may not have been relayed; without an id, those of the book."""
    found = await ids_of(transaction, channel, book, record_id)
    # An earlier unit of the group may have published them already. If each unit of a burst did, the
    # work would grow with the square of their number.
    there = {row.id for row in transaction.rows if row.stored} if found else ()
    ids = [id_ for id_ in found if id_ not in relayed and id_ not in there]
    return await read(transaction, ids) if ids else []


def _among(store: _Store, ids: Sequence[str]) -> tuple[str, Any]:
    """A condition on the id and its parameter $1, one for any number of ids."""
    if store.takes_arrays:
        return "id = ANY(CAST($1 AS text[]))", list(ids)
    return "id IN (SELECT value FROM json_each($1))", dumps(list(ids)).decode()


def _row(
    id_: str,
    channel: str | None,
    book: str,
    record_id: str | None,
    revision: int,
    tags: str,
    body: str | None,
) -> OutboxRow:
    bodies = body.encode().split(b"\n") if body else ()
    tag = tuple(tags.split("\n"))
    return OutboxRow(id_, channel, record_id, revision, tag, bodies, stored=True, book=book)
