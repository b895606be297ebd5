"""Inserts the rows of the outbox in the transaction of their records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from alphapulse_api.domain.outbox import TOGETHER, OutboxRow
from alphapulse_api.storage.engine.base import Transaction

COLUMNS: Final = "id, channel, book, record_id, revision, tags, body"
_INTO: Final = f"INSERT INTO outbox ({COLUMNS})"
_TYPES: Final = ("text", "text", "text", "text", "bigint", "text", "text")
_ONE: Final = f"{_INTO} VALUES ({', '.join(f'${n}' for n in range(1, 8))})"
_MANY: Final = f"{_INTO} SELECT * FROM unnest({{}})".format(
    ", ".join(f"CAST(${n} AS {kind}[])" for n, kind in enumerate(_TYPES, 1))
)
ROWS: Final = 5  # a statement; a row may have 200 events


def joined(rows: Sequence[OutboxRow]) -> list[OutboxRow]:
    """The rows of a group; new records in a row of one channel share one row of the table.

    The rows keep their order, so a record that is new and changes in one group is published in
    both states.
    """
    found: list[OutboxRow] = []
    shared: list[OutboxRow] = []
    count = 0
    for row in rows:
        if shared and (
            not _is_new(row)
            or row.channel != shared[0].channel
            or row.book != shared[0].book
            or count + len(row.bodies) > TOGETHER
        ):
            found.append(_as_one(shared))
            shared, count = [], 0
        if _is_new(row):
            shared.append(row)
            count += len(row.bodies)
        else:
            found.append(row)
    if shared:
        found.append(_as_one(shared))
    return found


def _is_new(row: OutboxRow) -> bool:
    """Whether the row has the events of new records."""
    return bool(row.records and row.bodies) and (row.record_id is None or row.revision == 0)


def _as_one(rows: Sequence[OutboxRow]) -> OutboxRow:
    if len(rows) == 1:
        return rows[0]
    bodies = [body for row in rows for body in row.bodies]
    records = [record for row in rows for record in row.records]
    tags = tuple({tag: None for row in rows for tag in row.tags})
    return rows[0]._replace(
        record_id=None, revision=len(bodies), tags=tags, bodies=bodies, records=records
    )


async def insert(transaction: Transaction, rows: Iterable[OutboxRow]) -> None:
    """Insert the rows that are not in the table yet."""
    fresh = [row for row in rows if not row.stored]
    if not transaction.takes_arrays or len(fresh) == 1:
        for value in _values(fresh):
            await transaction.execute(_ONE, *value)
        return
    # The driver encodes the parameters on the event loop, so long lists are split.
    for begin in range(0, len(fresh), ROWS):
        values = _values(fresh[begin : begin + ROWS])
        await transaction.execute(_MANY, *map(list, zip(*values, strict=True)))


def literal_insert(rows: Iterable[OutboxRow]) -> str:
    """The insert as a PostgreSQL statement without parameters; "" if there are no rows."""
    values = [f"({', '.join(map(literal, value))})" for value in _values(rows)]
    return f"{_INTO} VALUES {', '.join(values)}; " if values else ""


def _values(rows: Iterable[OutboxRow]) -> list[tuple[str | int | None, ...]]:
    return [
        (
            row.id,
            row.channel,
            row.book,
            row.record_id,
            row.revision,
            "\n".join(row.tags),
            b"\n".join(row.bodies).decode() if row.bodies else None,
        )
        for row in rows
        if not row.stored
    ]


def literal(value: str | int | None) -> str:
    """A PostgreSQL string constant that does not depend on standard_conforming_strings."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    quoted = value.replace("'", "''")
    return f"E'{quoted.replace(chr(92), chr(92) * 2)}'" if "\\" in quoted else f"'{quoted}'"
