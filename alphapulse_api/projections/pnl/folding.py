"""Stores planned steps, many symbols in one transaction, and folds until nothing is left."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from alphapulse_api.projections.pnl.planning import Plan, plan
from alphapulse_api.projections.pnl.rows import (
    ACCOUNT_COLUMNS,
    ACCOUNT_TYPES,
    FILLS,
    TRIPS,
    account_row,
)
from alphapulse_api.storage.bulk import insert_rows, keys_as_rows
from alphapulse_api.storage.columns import Columns
from alphapulse_api.storage.engine import Engine, Transaction

SYMBOLS: Final = 50  # that are folded in one transaction
ROWS: Final = 1000  # of a transaction, from which on no other symbol joins it

_NEW: Final = "ON CONFLICT DO NOTHING RETURNING book, symbol"
_ACCOUNTS: Final = f"pnl_accounts ({', '.join(ACCOUNT_COLUMNS)})"
_STORE_ACCOUNT: Final = "ON CONFLICT (book, symbol) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in ACCOUNT_COLUMNS[2:]
)
_STORE_FILL: Final = (
    "ON CONFLICT (book, symbol, executed_at, trade_id) DO UPDATE SET "
    "remaining = excluded.remaining, lot_fees = excluded.lot_fees, "
    "lot_profit = excluded.lot_profit, is_open = excluded.is_open"
)
_REMOVE_FILLS: Final = (
    "DELETE FROM pnl_fills WHERE book = $1 AND symbol = $2 AND (executed_at, trade_id) >= ($3, $4)"
)
_REMOVE_TRIPS: Final = (
    "DELETE FROM round_trips WHERE book = $1 AND symbol = $2 "
    "AND (closed_at, closing_id) >= ($3, $4)"
)
_PENDING: Final = (
    "SELECT book, symbol FROM trade_marks UNION "
    "SELECT book, symbol FROM pnl_accounts WHERE behind = 1 ORDER BY book, symbol LIMIT $1"
)


async def fold_symbol(engine: Engine, book: str, symbol: str, steps: int | None = None) -> bool:
    """Fold what is left of a symbol, and return whether nothing is.

    Args:
        engine: the database.
        book: of the trades.
        symbol: of the trades.
        steps: the most steps to take.
    """
    while steps is None or steps > 0:
        planned = await plan(engine, book, symbol)
        if planned is None:
            return True
        await store(engine, [planned])
        if steps is not None:
            steps -= 1
    return False


async def fold_some(engine: Engine) -> bool:
    """Take a step for some symbols that have something left; returns whether any had."""
    plans: list[Plan] = []
    rows = 0
    symbols = await engine.fetch(_PENDING, SYMBOLS)
    for book, symbol in symbols:
        if (planned := await plan(engine, book, symbol)) is not None:
            plans.append(planned)
            rows += len(planned.fills) + len(planned.trips)
        if rows >= ROWS:
            break
    if plans:
        await store(engine, plans)
    return bool(symbols)


async def fold_all(engine: Engine, steps: int | None = None) -> None:
    """Fold until nothing is left, in at most so many steps."""
    while (steps is None or steps > 0) and await fold_some(engine):
        steps = None if steps is None else steps - 1


async def store(engine: Engine, plans: Sequence[Plan]) -> None:
    """Store steps of different symbols, without those that others have folded meanwhile."""

    async def work(transaction: Transaction) -> None:
        valid = await _valid(engine, transaction, plans)
        for each in valid:
            if each.cut is not None:
                await transaction.execute(_REMOVE_FILLS, *each.after.key, *each.cut)
                await transaction.execute(_REMOVE_TRIPS, *each.after.key, *each.cut)
        await _insert(transaction, FILLS, [each.fills for each in valid], _STORE_FILL)
        await _insert(transaction, TRIPS, [each.trips for each in valid], "")
        accounts = [account_row(each.after) for each in valid]
        await insert_rows(transaction, _ACCOUNTS, accounts, _STORE_ACCOUNT, ACCOUNT_TYPES)
        if marks := list(chain.from_iterable(each.marks for each in valid)):
            await transaction.execute(
                f"DELETE FROM trade_marks WHERE {engine.among('id', '$1')}", engine.listed(marks)
            )

    await engine.write(work)


async def _valid(engine: Engine, transaction: Transaction, plans: Sequence[Plan]) -> list[Plan]:
    """Lock the accounts of the plans, in one order; returns the plans that still hold."""
    plans = sorted(plans, key=lambda each: each.before.key)
    new = [account_row(each.before) for each in plans if not each.before.version]
    made = await insert_rows(transaction, _ACCOUNTS, new, _NEW, ACCOUNT_TYPES)
    versions = {(book, symbol): 0 for book, symbol in made}
    if keys := [each.before.key for each in plans if each.before.version]:
        rows, args = keys_as_rows(transaction, ("text", "text"), keys)
        locked = await transaction.fetch(
            f"SELECT book, symbol, version FROM pnl_accounts WHERE (book, symbol) IN ({rows}) "
            f"ORDER BY book, symbol {engine.locked}",
            *args,
        )
        versions.update(((book, symbol), version) for book, symbol, version in locked)
    return [each for each in plans if versions.get(each.before.key) == each.before.version]


async def _insert(
    transaction: Transaction, columns: Columns, parts: Sequence[list[dict[str, Any]]], ending: str
) -> None:
    rows = [columns.store(record) for record in chain.from_iterable(parts)]
    await insert_rows(transaction, columns.into, rows, ending, columns.types)
