"""The rows of trades, and of the states that they have been through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from alphapulse_api.domain.orders import HISTORY
from alphapulse_api.storage.bulk import insert_rows
from alphapulse_api.storage.columns import DECIMAL, FEES, JSON, PLAIN, TIME, Columns
from alphapulse_api.storage.engine import Engine, Transaction

COLUMNS = Columns(
    "trades",
    {
        "id": PLAIN,
        "order_id": PLAIN,
        "client_order_id": PLAIN,
        "symbol": PLAIN,
        "side": PLAIN,
        "quantity": DECIMAL,
        "filled_quantity": DECIMAL,
        "price": DECIMAL,
        "value": DECIMAL,
        "fee": DECIMAL,
        "fee_currency": PLAIN,
        "fees": FEES,
        "order_type": PLAIN,
        "status": PLAIN,
        "agent_id": PLAIN,
        "strategy": PLAIN,
        "executed_at": TIME,
        "updated_at": TIME,
        "corrects": PLAIN,
        "decision_id": PLAIN,
        "decided_price": DECIMAL,
        "metadata": JSON,
        "book": PLAIN,
    },
    hint="Most venues' ids are unique only with venue and symbol: build yours from all three.",
)
# One row a state, from the first change of a trade on; a trade that never changed has none.
_STATES = Columns(
    "trade_states",
    {
        "book": PLAIN,
        "trade_id": PLAIN,
        "revision": PLAIN,
        "at": TIME,
        "status": PLAIN,
        "filled_quantity": DECIMAL,
        "price": DECIMAL,
    },
)
_ASSIGNMENTS: Final = ", ".join(f"{name} = ${n}" for n, name in enumerate(COLUMNS.names, 1))
_UPDATE: Final = (
    f"UPDATE trades SET {_ASSIGNMENTS}, revision = revision + 1 "
    f"WHERE book = ${len(COLUMNS.names)} AND id = $1"
)
_SELECT_STATES: Final = (
    f"SELECT {_STATES.select} FROM trade_states WHERE book = $1 AND trade_id = $2 ORDER BY revision"
)
Trade = dict[str, Any]


async def store_change(
    transaction: Transaction,
    before: Trade,
    after: Trade,
    states: Sequence[Trade],
    revision: int,
) -> None:
    """Store a changed trade and its new state."""
    await transaction.execute(_UPDATE, *COLUMNS.store(after))
    entries = [] if states else [{**state_of(before), "revision": revision - 1}]
    if any(before[name] != after[name] for name in HISTORY):
        entries.append({**state_of(after), "revision": revision})
    owner = {"book": after["book"], "trade_id": after["id"]}
    await insert_rows(
        transaction,
        _STATES.into,
        [_STATES.store({**entry, **owner}) for entry in entries],
        "",
    )


async def states_of(store: Transaction | Engine, book: str, trade_id: str) -> list[Trade]:
    """The states of a trade; none if it never changed."""
    rows = await store.fetch(_SELECT_STATES, book, trade_id)
    return [{name: state[name] for name in ("at", *HISTORY)} for state in map(_STATES.read, rows)]


async def history_of(store: Transaction | Engine, trade: Trade) -> Trade:
    """A trade with its `history`: its states, oldest first."""
    states = await states_of(store, trade["book"], trade["id"])
    return {**trade, "history": states or [state_of(trade)]}


def state_of(trade: Trade) -> Trade:
    """The present state of a trade, as an entry of its history."""
    at = trade["updated_at"] or trade["executed_at"]
    return {"at": at, **{name: trade[name] for name in HISTORY}}
