"""The protocol of a store of trades."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from alphapulse_api.domain.errors import Conflict
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.stores.records import Record, Written


class TradeStore(Protocol):
    """Trades: orders that advance."""

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
        sort: str | None = None,
    ) -> Page:
        """One page, newest first unless `sort` is "asc"."""

    async def get_trade(self, trade_id: str) -> Record:
        """One trade; raises `NotFound`."""

    async def add_trades(
        self,
        trades: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        one: bool = False,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,
    ) -> list[Written]:
        """Store validated trades.

        Args:
            trades: as `orders.completed` returns them.
            server_set: for each trade, the fields that its sender left out.
            one: whether the sender sent a single trade, not an array; errors then point at "/id".
            conflicts: filled with the conflicts of trades that are not stored, by position.
                Without it, one conflict refuses all trades.
            events: whether new trades are published; those of an imported history are not.

        Raises:
            Conflict: if a trade cannot follow the one that is stored under its id.
        """
