"""Trades: written once, exact to the digit, read newest first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from alphapulse_api.data.columns import DECIMAL, JSON, PLAIN, TIME, Columns
from alphapulse_api.data.engine import Engine, Transaction
from alphapulse_api.data.listing import newest_first
from alphapulse_api.data.outbox import of_new
from alphapulse_api.data.page import Page
from alphapulse_api.data.query import Listing, Where, check_range
from alphapulse_api.errors import Conflict, NotFound

COLUMNS = Columns(
    "trades",
    {
        "id": PLAIN,
        "order_id": PLAIN,
        "client_order_id": PLAIN,
        "symbol": PLAIN,
        "side": PLAIN,
        "quantity": DECIMAL,
        "price": DECIMAL,
        "value": DECIMAL,
        "fee": DECIMAL,
        "fee_currency": PLAIN,
        "order_type": PLAIN,
        "status": PLAIN,
        "agent_id": PLAIN,
        "strategy": PLAIN,
        "executed_at": TIME,
        "metadata": JSON,
    },
    hint="Most venues' ids are unique only with venue and symbol: build yours from all three.",
)
SAID_AT_CREATION = COLUMNS.names[1:]
Trade = dict[str, Any]


class TradeDataAccessor:
    """Reads and writes trades: dicts with the contract's fields, Decimals and datetimes in them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get_trades(
        self,
        symbol: str | Collection[str] | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        side: str | None = None,
        status: str | None = None,
        strategy: str | Collection[str] | None = None,
        agent_id: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """One page, newest first; several symbols or strategies mean any of them.

        Raises:
            ValidationProblem: for an empty range or a foreign cursor.
        """
        check_range(start_time, end_time)
        where = Where()
        where.any_of("symbol", _several(symbol))
        where.any_of("strategy", _several(strategy))
        where.equal(side=side, status=status, agent_id=agent_id)
        where.between("executed_at", start_time, end_time)
        listing = Listing(
            "trades",
            symbol=_several(symbol),
            side=side,
            status=status,
            strategy=_several(strategy),
            agent_id=agent_id,
        )
        return await newest_first(
            self._engine, COLUMNS, "executed_at", listing, where, limit, cursor
        )

    async def get_trade(self, trade_id: str) -> Trade:
        """The trade of that id.

        Raises:
            NotFound: if there is none.
        """
        rows = await self._engine.fetch(
            f"SELECT {COLUMNS.select} FROM trades WHERE id = $1",
            trade_id,
        )
        if not rows:
            raise NotFound(f"There is no trade {trade_id!r}.")
        return COLUMNS.read(rows[0])

    async def add_trades(
        self,
        trades: Sequence[Mapping[str, Any]],
        *,
        one: bool = False,
        conflicts: dict[int, Conflict] | None = None,
    ) -> list[tuple[Trade, bool]]:
        """Store validated trades, all of them or none.

        Args:
            one: the caller sent a single trade, not an array: errors point at "/id".
            conflicts: filled with those that are not stored for a conflict, by position; without
                it one refuses all.

        Returns:
            Each trade as stored, and whether it is new.

        Raises:
            Conflict: if an id exists with other content; nothing is stored then.
        """

        async def work(transaction: Transaction) -> list[tuple[Trade, bool]]:
            stored = await COLUMNS.insert_all_once(
                transaction, trades, fixed=SAID_AT_CREATION, one=one, conflicts=conflicts
            )
            transaction.publish(*of_new("trades", [trade for trade, new in stored if new]))
            return stored

        return await self._engine.write(work)


def _several(value: str | Collection[str] | None) -> Collection[str] | None:
    return (value,) if isinstance(value, str) else value
