"""Tables whose primary key a migration changes, with their indexes from then on.

The change of a large table is a backfill. Until it is done, the table has its old key and indexes,
and only the book `main` may be written. Later migrations may meet a table in this state: they may
add columns to it and nothing else; their indexes belong here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

AT_ONCE: Final = 10_000  # rows of a table whose key is changed at the start: 0.1 to 0.3 s


class Rekeyed(NamedTuple):
    """A table with its new key.

    Attributes:
        table: its name.
        key: the columns of its new primary key, which is named `table_key`.
        indexes: by name, the SQL after the name of the table.
        replaced: the names of the indexes that are dropped.
        has_rowid: whether it has rowids in SQLite.
    """

    table: str
    key: tuple[str, ...]
    indexes: Mapping[str, str]
    replaced: tuple[str, ...]
    has_rowid: bool = True

    @property
    def key_name(self) -> str:
        """The name of the new primary key."""
        return f"{self.table}_key"


BOOKS: Final = (
    Rekeyed(
        "trades",
        ("book", "id"),
        {
            "trades_by_book": "(book, executed_at, id)",
            "trades_by_book_symbol": "(book, symbol, executed_at, id)",
            # Filters that few rows match. Rows of common values are found in the order of time.
            "trades_by_book_status": "(book, status, executed_at, id) WHERE status <> 'filled'",
            "trades_by_book_agent": (
                "(book, agent_id, executed_at, id) WHERE agent_id IS NOT NULL"
            ),
            "trades_by_book_strategy": (
                "(book, strategy, executed_at, id) WHERE strategy IS NOT NULL"
            ),
        },
        (
            "trades_by_time",
            "trades_by_symbol",
            "trades_by_status",
            "trades_by_agent",
            "trades_by_strategy",
        ),
    ),
    Rekeyed("trade_states", ("book", "trade_id", "revision"), {}, (), has_rowid=False),
    Rekeyed(
        "alerts",
        ("book", "id"),
        {
            "alerts_by_book": "(book, created_at, id)",
            "alerts_by_book_severity": "(book, severity, created_at, id)",
            "alerts_by_book_source": "(book, source, created_at, id) WHERE source IS NOT NULL",
            # Of every status: most alerts end up resolved, but at first few or none are.
            "alerts_by_book_status": "(book, status, created_at, id)",
            "alerts_unresolved_by_book": "(book, created_at, id) WHERE status <> 'resolved'",
            # Snapshots show the unresolved ones of some severities or sources.
            "alerts_unresolved_by_severity": (
                "(book, severity, created_at, id) WHERE status <> 'resolved'"
            ),
            "alerts_unresolved_by_source": (
                "(book, source, created_at, id) WHERE status <> 'resolved' AND source IS NOT NULL"
            ),
            "alerts_unacknowledged_by_book": (
                "(book, severity, created_at, id) WHERE NOT acknowledged"
            ),
        },
        (
            "alerts_by_time",
            "alerts_unresolved",
            "alerts_by_severity",
            "alerts_by_source",
            "alerts_unacknowledged",
        ),
    ),
    Rekeyed(
        "signals",
        ("book", "id"),
        {
            "signals_by_book": "(book, timestamp, id)",
            "signals_by_book_agent": "(book, agent_id, timestamp, id)",
            # Lists of agents show the newest signals of each in every book.
            "signals_by_agent_time": "(agent_id, timestamp, id)",
        },
        ("signals_by_agent", "signals_by_time"),
    ),
)

REKEYED: Final[Mapping[int, Sequence[Rekeyed]]] = {16: BOOKS}
"""By the version of the schema that brings the new keys."""
