"""Trades, and what led to them."""

from __future__ import annotations

from datetime import datetime

from alphapulse_api.client import values
from alphapulse_api.client.decision_rows import Why
from alphapulse_api.client.http import segment
from alphapulse_api.client.pages import Rows
from alphapulse_api.client.reading.requests import Books, Requests, comma
from alphapulse_api.client.rows import Side, Sort, Trade, TradeStatus


class TradesReading(Requests):
    """Every GET about trades as a method."""

    def trades(
        self,
        *,
        symbol: str | None = None,
        side: Side | None = None,
        status: TradeStatus | None = None,
        strategy: str | None = None,
        agent_id: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        sort: Sort | None = None,
        limit: int | None = None,
        book: Books | None = None,
    ) -> Rows[Trade]:
        """Return trades, newest first unless `sort` is "asc"; `limit` is the total number."""
        params = {
            "book": comma(book),
            "symbol": symbol,
            "side": side,
            "status": status,
            "strategy": strategy,
            "agent_id": agent_id,
            "start_time": start_time,
            "end_time": end_time,
            "sort": sort,
        }
        return self._pages("/api/trades", values.TRADE, params, limit)

    async def trade(self, trade_id: str, *, book: str | None = None) -> Trade:
        """Return one trade, with the history of its states."""
        trade: Trade = await self._get(
            f"/api/trades/{segment(trade_id)}", values.TRADE, {"book": book}
        )
        return trade

    async def why(self, trade_id: str, *, book: str | None = None) -> Why:
        """Return a trade and everything that led to it."""
        why: Why = await self._get(
            f"/api/trades/{segment(trade_id)}/why", values.WHY, {"book": book}
        )
        return why
