"""Inserts the marks of changed trades in the transaction of the trades, a row for each symbol.

Rows are only added here, so that transactions of several processes never wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.marks import Mark
from alphapulse_api.domain.times import rfc3339_micros
from alphapulse_api.storage.engine.base import Transaction
from alphapulse_api.storage.engine.outbox import literal

_INTO: Final = "INSERT INTO trade_marks (book, symbol, executed_at, trade_id)"
_ONE: Final = f"{_INTO} VALUES ($1, $2, $3, $4)"
_MANY: Final = (
    f"{_INTO} SELECT * FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), "
    "CAST($3 AS timestamptz[]), CAST($4 AS text[]))"
)
_MANY_AS_JSON: Final = (
    f"{_INTO} SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), "
    "json_extract(value, '$[2]'), json_extract(value, '$[3]') FROM json_each($1)"
)
LITERALS: Final = 100  # marks of a commit that become part of its statement


async def insert_marks(transaction: Transaction, marks: Sequence[Mark]) -> None:
    """Insert marks, in one statement."""
    if len(marks) == 1:
        await transaction.execute(_ONE, *marks[0])
    elif marks and transaction.takes_arrays:
        await transaction.execute(_MANY, *map(list, zip(*marks, strict=True)))
    elif marks:
        await transaction.execute(_MANY_AS_JSON, dumps([list(mark) for mark in marks]).decode())


def literal_marks(marks: Sequence[Mark]) -> str:
    """The insert as a PostgreSQL statement without parameters; "" if there are none."""
    values = [
        f"({literal(mark.book)}, {literal(mark.symbol)}, "
        f"timestamptz '{rfc3339_micros(mark.at)}', {literal(mark.trade_id)})"
        for mark in marks
    ]
    return f"{_INTO} VALUES {', '.join(values)}; " if values else ""
