"""What retention does to the links between decisions, signals and trades.

A signal of a decision is kept as long as a decision is based on it. The link between a decision and
a trade outlives the one that is deleted first, and says that it is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from alphapulse_api.domain.encoding import loads_stored
from alphapulse_api.storage.bulk import keys_as_rows
from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.outbox import invalidation

Keys = Sequence[Sequence[Any]]
_KEY: Final = ("text", "text")
_UNUSED: Final = (
    "NOT EXISTS (SELECT 1 FROM decision_signals l WHERE l.book = {table}.book "
    "AND l.signal_id = {table}.{id})"
)


async def unlink_trades(transaction: Transaction, keys: Keys) -> None:
    """Note in their links that trades are deleted; remove the links of nobody."""
    if not keys:
        return
    rows, args = keys_as_rows(transaction, _KEY, keys)
    links = (
        "(book, decision_id, trade_id) IN (SELECT book, decision_id, id FROM trades "
        f"WHERE decision_id IS NOT NULL AND (book, id) IN ({rows}))"
    )
    await transaction.execute(
        f"UPDATE decision_trades SET trade_expired = TRUE WHERE {links}", *args
    )
    await transaction.execute(
        f"DELETE FROM decision_trades WHERE {links} AND NOT EXISTS (SELECT 1 FROM decisions d "
        "WHERE d.book = decision_trades.book AND d.id = decision_trades.decision_id)",
        *args,
    )


async def remove_of_decisions(transaction: Transaction, keys: Keys) -> None:
    """Remove what belongs to decisions that are deleted: index rows, and signals of no other."""
    if not keys:
        return
    rows, args = keys_as_rows(transaction, _KEY, keys)
    decisions = await transaction.fetch(
        "SELECT book, id, made_at, symbols, signal_ids FROM decisions "
        f"WHERE (book, id) IN ({rows})",
        *args,
    )
    of_these = f"(book, decision_id) IN ({rows})"
    await transaction.execute(
        f"UPDATE decision_trades SET decision_expired = TRUE WHERE {of_these}", *args
    )
    await transaction.execute(
        f"DELETE FROM decision_trades WHERE {of_these} AND trade_expired", *args
    )
    symbols: list[tuple[Any, ...]] = []
    links: list[tuple[Any, ...]] = []
    signals: dict[tuple[Any, ...], None] = {}
    for book, id_, made_at, of_symbols, signal_ids in decisions:
        symbols += [(book, symbol, made_at, id_) for symbol in loads_stored(of_symbols)]
        for signal_id in loads_stored(signal_ids):
            links.append((book, signal_id, id_))
            signals[book, signal_id] = None
    kinds = ("text", "text", "timestamptz", "text")
    if symbols:
        key = "(book, symbol, made_at, id)"
        await _delete(transaction, "decision_symbols", key, kinds, symbols)
    if not links:
        return
    key = "(book, signal_id, decision_id)"
    await _delete(transaction, "decision_signals", key, ("text", "text", "text"), links)
    await _delete(
        transaction, "signal_texts", "(book, signal_id)", _KEY, list(signals),
        _UNUSED.format(table="signal_texts", id="signal_id"),
    )  # fmt: skip
    sql, args = _deleting(
        transaction, "signals", "(book, id)", _KEY, list(signals),
        _UNUSED.format(table="signals", id="id"),
    )  # fmt: skip
    gone = await transaction.fetch(f"{sql} RETURNING book, agent_id", *args)
    if gone:
        records = [{"book": book, "agent_id": agent_id} for book, agent_id in gone]
        transaction.publish(invalidation("agents", records))


async def _delete(
    transaction: Transaction,
    table: str,
    key: str,
    types: tuple[str, ...],
    keys: Keys,
    condition: str = "1 = 1",
) -> None:
    """Delete the rows of a table with these keys."""
    sql, args = _deleting(transaction, table, key, types, keys, condition)
    await transaction.execute(sql, *args)


def _deleting(
    transaction: Transaction,
    table: str,
    key: str,
    types: tuple[str, ...],
    keys: Keys,
    condition: str,
) -> tuple[str, tuple[Any, ...]]:
    rows, args = keys_as_rows(transaction, types, keys)
    return f"DELETE FROM {table} WHERE {key} IN ({rows}) AND {condition}", args
