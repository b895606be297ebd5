"""The migration that opens the book `main`, which has all records of older releases."""

from __future__ import annotations

from alphapulse_api.domain.books import MAIN
from alphapulse_api.domain.times import now, to_micros
from alphapulse_api.storage.engine import Transaction

_OLDEST = (
    "SELECT min(oldest) FROM ("
    "SELECT min(as_of) AS oldest FROM portfolio_snapshots UNION ALL "
    "SELECT min(executed_at) FROM trades UNION ALL "
    "SELECT min(created_at) FROM alerts UNION ALL "
    "SELECT min(timestamp) FROM signals) records"
)
_CURRENCY = (
    "SELECT s.currency FROM portfolio_current c "
    "JOIN portfolio_snapshots s ON s.book = c.book AND s.as_of = c.as_of WHERE c.book = $1"
)


async def open_main(transaction: Transaction) -> None:
    """Open it at the time of its oldest record, in the currency of its portfolio."""
    ((oldest,),) = await transaction.fetch(_OLDEST)
    currencies = await transaction.fetch(_CURRENCY, MAIN)
    await transaction.execute(
        "INSERT INTO books (id, title, mode, currency, opened_at, closed_at) "
        "VALUES ($1, NULL, 'live', $2, $3, NULL)",
        MAIN,
        currencies[0][0] if currencies else None,
        to_micros(now()) if oldest is None else oldest,
    )
