"""The columns of the tables of decisions."""

from __future__ import annotations

from typing import Final

from alphapulse_api.storage.columns import (
    CONSTRAINTS,
    JSON,
    PLAIN,
    TARGETS,
    TIME,
    USAGE,
    Columns,
)

DECISIONS: Final = Columns(
    "decisions",
    {
        "id": PLAIN,
        "made_at": TIME,
        "received_at": TIME,
        "agent_id": PLAIN,
        "cycle_id": PLAIN,
        "outcome": PLAIN,
        "symbols": JSON,
        "signal_ids": JSON,
        "votes": JSON,
        "targets": TARGETS,
        "constraints": CONSTRAINTS,
        "corrects": PLAIN,
        "usage": USAGE,
        "metadata": JSON,
        "book": PLAIN,
    },
)
TEXTS: Final = Columns("decision_texts", {"book": PLAIN, "decision_id": PLAIN, "reasoning": PLAIN})
SYMBOLS: Final = Columns(
    "decision_symbols", {"book": PLAIN, "symbol": PLAIN, "made_at": TIME, "id": PLAIN}
)
_FOUND: Final = ("id", "made_at", "book")  # read from the index, so that they are in its order
_REST: Final = ", ".join(f"d.{name}" for name in DECISIONS.names if name not in _FOUND)
_REASONING: Final = "LEFT JOIN decision_texts t ON t.book = d.book AND t.decision_id = d.id"


def listing_columns(*, by_symbol: bool, in_full: bool) -> Columns:
    """The columns of a listing, to be read only.

    Args:
        by_symbol: whether `sought_symbol` can be asked for.
        in_full: with `reasoning`.
    """
    if not by_symbol and not in_full:
        return DECISIONS
    whose = "y" if by_symbol else "d"
    columns = [f"{whose}.{name} AS {name}" for name in _FOUND]
    table = "decisions d"
    if by_symbol:
        columns.append("y.symbol AS sought_symbol")
        table = "decision_symbols y JOIN decisions d ON d.book = y.book AND d.id = y.id"
    kinds = DECISIONS.kinds
    if in_full:
        columns.append("t.reasoning")
        table = f"{table} {_REASONING}"
        kinds = {**kinds, "reasoning": PLAIN}
    return Columns(f"(SELECT {', '.join(columns)}, {_REST} FROM {table}) listed", kinds)
