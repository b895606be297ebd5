"""Marks: from which trade on the profit of a symbol has to be folded again."""

from __future__ import annotations

from typing import NamedTuple


class Mark(NamedTuple):
    """A trade that was stored or changed.

    Attributes:
        book: of the trade.
        symbol: of the trade.
        at: its `executed_at` in microseconds since the epoch; of a change, the earlier of both.
        trade_id: its id.
    """

    book: str
    symbol: str
    at: int
    trade_id: str


def earliest(marks: list[Mark]) -> list[Mark]:
    """The earliest mark of each symbol, in the order of books and symbols."""
    if len(marks) < 2:
        return marks
    found: dict[tuple[str, str], Mark] = {}
    for mark in marks:
        known = found.get(mark[:2])
        if known is None or mark < known:
            found[mark[:2]] = mark
    return sorted(found.values())
