"""Adds the index of an agent's signals in every book to databases that older releases made."""

from __future__ import annotations

from typing import Final

from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.rekeyed import BOOKS

NAME: Final = "signals_by_agent_time"
_SIGNALS: Final = next(each for each in BOOKS if each.table == "signals")


async def index_by_agent(transaction: Transaction) -> None:
    """Create the index, unless the table gets it with its new key."""
    if not await transaction.fetch("SELECT 1 FROM backfills WHERE name = $1", _SIGNALS.table):
        await transaction.fetch(
            f"CREATE INDEX IF NOT EXISTS {NAME} ON {_SIGNALS.table} {_SIGNALS.indexes[NAME]}"
        )
