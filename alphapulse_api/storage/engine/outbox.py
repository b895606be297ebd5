"""Inserts the rows of the outbox in the transaction of their records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from alphapulse_api.domain.outbox import OutboxRow
from alphapulse_api.storage.engine.base import Transaction

COLUMNS: Final = "id, channel, book, record_id, revision, tags, body"
_INTO: Final = f"INSERT INTO outbox ({COLUMNS})"
_TYPES: Final = ("text", "text", "text", "text", "bigint", "text", "text")
_ONE: Final = f"{_INTO} VALUES ({', '.join(f'${n}' for n in range(1, 8))})"
_MANY: Final = f"{_INTO} SELECT * FROM unnest({{}})".format(
    ", ".join(f"CAST(${n} AS {kind}[])" for n, kind in enumerate(_TYPES, 1))
)
TOGETHER: Final = 5  # rows a statement; a row may have 200 events


async def insert(transaction: Transaction, rows: Iterable[OutboxRow]) -> None:
    """Insert the rows that are not in the table yet."""
    fresh = [row for row in rows if not row.stored]
    if not transaction.takes_arrays or len(fresh) == 1:
        for value in _values(fresh):
            await transaction.execute(_ONE, *value)
        return
    # The driver encodes the parameters on the event loop, so long lists are split.
    for begin in range(0, len(fresh), TOGETHER):
        values = _values(fresh[begin : begin + TOGETHER])
        await transaction.execute(_MANY, *map(list, zip(*values, strict=True)))


def literal_insert(rows: Iterable[OutboxRow]) -> str:
    """The insert as a PostgreSQL statement without parameters; "" if there are no rows."""
    values = [f"({', '.join(map(_literal, value))})" for value in _values(rows)]
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


def _literal(value: str | int | None) -> str:
    """A PostgreSQL string constant that does not depend on standard_conforming_strings."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    quoted = value.replace("'", "''")
    return f"E'{quoted.replace(chr(92), chr(92) * 2)}'" if "\\" in quoted else f"'{quoted}'"
