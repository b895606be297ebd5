"""Inserts the marks of changed trades in the transaction of the trades, a row for each symbol.

Rows are only added here, so that transactions of several processes never wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

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
LITERALS: Final = 100  # marks of a commit that become part of its statement


async def insert_marks(transaction: Transaction, marks: Sequence[Mark]) -> None:
    """Insert marks."""
    if transaction.takes_arrays and marks:
        await transaction.execute(_MANY, *map(list, zip(*marks, strict=True)))
        return
    for mark in marks:
        await transaction.execute(_ONE, *mark)


def literal_marks(marks: Sequence[Mark]) -> str:
    """The insert as a PostgreSQL statement without parameters; "" if there are none."""
    values = [
        f"({literal(mark.book)}, {literal(mark.symbol)}, "
        f"timestamptz '{rfc3339_micros(mark.at)}', {literal(mark.trade_id)})"
        for mark in marks
    ]
    return f"{_INTO} VALUES {', '.join(values)}; " if values else ""
