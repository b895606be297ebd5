"""Marks the symbols whose profit changes with a stored trade, in the transaction of the trade."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from alphapulse_api.domain.marks import Mark
from alphapulse_api.domain.times import MICROSECOND, now, to_micros
from alphapulse_api.domain.track_record.outcomes import SETTLED
from alphapulse_api.storage.bulk import insert_rows, select_rows
from alphapulse_api.storage.columns import A_TURN
from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.metrics.price_marks import mark_prices

# What the profit of a trade depends on and a later state or a late fact changes.
_COUNTS: Final = ("filled_quantity", "price", "executed_at", "fee", "fee_currency", "fees")

_ONCE: Final = "ON CONFLICT DO NOTHING"

Trade = Mapping[str, Any]


async def mark_new(transaction: Transaction, trades: Sequence[Trade]) -> None:
    """Mark the symbols of new trades, and of those that they correct."""
    first: dict[tuple[str, str], Trade] = {}
    for begin in range(0, len(trades), A_TURN):
        for trade in trades[begin : begin + A_TURN]:
            if _filled(trade):
                known = first.setdefault((trade["book"], trade["symbol"]), trade)
                if known is not trade and _place(trade) < _place(known):
                    first[trade["book"], trade["symbol"]] = trade
        await transaction.turn()
    transaction.mark(*map(_mark, first.values()))
    await _mark_prices(transaction, trades)
    corrections = [trade for trade in trades if trade.get("corrects") is not None]
    if corrections:
        await mark_corrected(transaction, corrections)


async def mark_changed(transaction: Transaction, before: Trade, after: Trade) -> None:
    """Mark the symbol of a changed trade, if its profit changes."""
    if any(before[name] != after[name] for name in _COUNTS):
        transaction.mark(*(_mark(trade) for trade in (before, after) if _filled(trade)))
        await _mark_prices(transaction, (before, after))


async def mark_corrected(transaction: Transaction, corrections: Iterable[Trade]) -> None:
    """Store which trades these replace, and mark the symbols of those."""
    keys = [(trade["book"], trade["corrects"], trade["id"]) for trade in corrections]
    await insert_rows(transaction, "trade_corrections (book, corrects, trade_id)", keys, _ONCE)
    corrected = list({(book, corrects) for book, corrects, _ in keys})
    found = await select_rows(
        transaction, "book, symbol, executed_at, id", "trades", ("book", "id"), corrected
    )
    transaction.mark(*(Mark(*row) for row in found))


async def _mark_prices(transaction: Transaction, trades: Iterable[Trade]) -> None:
    """Mark the prices of trades: they stand for those of symbols that have no others."""
    settled = now() - SETTLED * MICROSECOND
    if late := [t for t in trades if t["executed_at"] < settled and _filled(t)]:
        await mark_prices(transaction, ((t["symbol"], to_micros(t["executed_at"])) for t in late))


def _mark(trade: Trade) -> Mark:
    return Mark(trade["book"], trade["symbol"], to_micros(trade["executed_at"]), trade["id"])


def _place(trade: Trade) -> tuple[datetime, str]:
    return trade["executed_at"], trade["id"]


def _filled(trade: Trade) -> bool:
    return bool(trade.get("filled_quantity")) and trade.get("price") is not None
