"""The portfolio: read with its history, exported, and replaced."""

from __future__ import annotations

from typing import Any

from alphapulse_api.http.route import Call


async def get_portfolio(call: Call) -> Any:
    """The current portfolio or that of a time, with its history when asked for."""
    return await call.backend.accessors.portfolio.show_portfolio(**call.query)


async def export_history(call: Call) -> Any:
    """The value of the portfolio at every update, oldest first, as a file."""
    return await call.backend.accessors.portfolio.get_history(**call.query)


async def put_portfolio(call: Call) -> Any:
    """Record the portfolio as it is now."""
    return await call.backend.feed.update_portfolio(call.body, precondition=call.precondition)
