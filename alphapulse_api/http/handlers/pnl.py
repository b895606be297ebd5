"""Profit, summed over round trips."""

from __future__ import annotations

from typing import Any

from alphapulse_api.http.route import Call


async def list_pnl(call: Call) -> Any:
    """Realized profit by symbol, strategy, agent, day, week or month.

    There is a row for each group, mode and currency, and one for each book whose currency is not
    known. Every trade that was stored before is counted.
    """
    return await call.view.profit.get_pnl(**call.query)
