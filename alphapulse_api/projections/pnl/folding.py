"""Stores planned steps, many symbols in one transaction, and folds until nothing is left."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from alphapulse_api.projections.deadline import Deadline
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
from alphapulse_api.storage.query import Where

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
    "SELECT book, symbol FROM trade_marks WHERE {marks} UNION "
    "SELECT book, symbol FROM pnl_accounts WHERE behind = 1 AND {accounts} "
    "ORDER BY book, symbol LIMIT {limit}"
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


async def fold_books(engine: Engine, books: Sequence[str] | None) -> None:
    """Fold every trade of some books (None: of all) that was stored before.

    Raises:
        Unavailable: if that takes too long.
    """
    deadline = Deadline("the profit")
    ((newest,),) = await engine.fetch("SELECT max(id) FROM trade_marks")
    while await _fold(engine, await _pending(engine, books, newest or 0)):
        deadline.check()


async def fold_some(engine: Engine) -> bool:
    """Take a step for some symbols that have something left; returns whether any had."""
    return await _fold(engine, await _pending(engine))


async def _pending(
    engine: Engine, books: Sequence[str] | None = None, newest: int | None = None
) -> Sequence[Sequence[Any]]:
    """Some symbols of books (None: of all) that have something left, by marks up to `newest`."""
    where = Where()
    where.one_of("book", books)
    accounts = marks = where.conditions
    if newest is not None:
        marks += f" AND id <= {where.parameter(newest)}"
    limit = where.parameter(SYMBOLS)
    sql = _PENDING.format(marks=marks, accounts=accounts, limit=limit)
    return await engine.fetch(sql, *where.args)


async def _fold(engine: Engine, symbols: Sequence[Sequence[Any]]) -> bool:
    """Take a step for some symbols; returns whether there are any."""
    plans: list[Plan] = []
    rows = 0
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
