"""Trades: listed and recorded."""

from __future__ import annotations

from typing import Any

from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.http.route import Call
from alphapulse_api.runtime.slices import releasing


async def list_trades(call: Call) -> Any:
    """Trades, newest first."""
    return await call.view.trades.get_trades(**call.query)


async def export_trades(call: Call) -> Any:
    """Every trade that matches, newest first, as a file."""
    return await list_trades(call)


async def get_trade(call: Call) -> Any:
    """One trade."""
    return await call.view.trades.get_trade(call.path["id"])


async def record_trades(call: Call) -> Any:
    """Record a trade.

    A body that is an array is stored as a whole or not at all.
    """
    if isinstance(call.body, list):
        stored = await call.view.feed.record_trades(call.body)
        accepted = len(stored)
        await call.slices.run(releasing(stored))
        return {"accepted": accepted}
    return await call.view.feed.record_trade(call.body)


async def put_trade(call: Call) -> Any:
    """Record a trade under its id, or a later state of it.

    It is the same as a POST with the id in the body.
    """
    trade, trade_id = call.body, call.path["id"]
    if isinstance(trade, dict):
        if trade.get("id") not in (None, trade_id):
            detail = f"Must be {trade_id!r}, as in the path."
            raise ValidationProblem([{"pointer": "/id", "detail": detail}])
        trade = {**trade, "id": trade_id}
    return await call.view.feed.record_trade(trade)


async def record_batch(call: Call) -> Any:
    """Record up to 10000 trades, and report the result of each."""
    return await call.view.feed.record_trades_batch(call.body, **call.query)
