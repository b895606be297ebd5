"""Profit, summed over round trips."""

from __future__ import annotations

from datetime import datetime

from alphapulse_api.client import values
from alphapulse_api.client.pages import Rows
from alphapulse_api.client.reading.requests import Books, Requests, comma
from alphapulse_api.client.rows import PnlGrouping, PnlSum


class PnlReading(Requests):
    """Every GET about summed profit as a method."""

    def pnl(
        self,
        *,
        group_by: PnlGrouping = "symbol",
        symbol: str | None = None,
        strategy: str | None = None,
        agent_id: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        timezone: str | None = None,
        book: Books | None = None,
        limit: int | None = None,
    ) -> Rows[PnlSum]:
        """Return realized profit: a row a group, mode and currency; `limit` is of rows."""
        params = {
            "book": comma(book),
            "group_by": group_by,
            "symbol": symbol,
            "strategy": strategy,
            "agent_id": agent_id,
            "start_time": start_time,
            "end_time": end_time,
            "timezone": timezone,
        }
        return self._pages("/api/pnl", values.PNL_SUM, params, limit)
