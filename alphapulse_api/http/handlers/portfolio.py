"""The portfolio: read with its history, exported, and replaced."""

from __future__ import annotations

from typing import Any

from alphapulse_api.http.route import Call


async def get_portfolio(call: Call) -> Any:
    """The current portfolio or that of a time, with its history when asked for."""
    return await call.view.portfolio.show_portfolio(**call.query)


async def export_history(call: Call) -> Any:
    """The value of the portfolio at every update, oldest first, as a file."""
    return await call.view.portfolio.get_history(**call.query)


async def put_portfolio(call: Call) -> Any:
    """Record the portfolio as it is now.

    A portfolio that was read may be changed and sent back: `value`, `weight`, `unrealized_pnl` and
    `unrealized_pnl_pct` are computed again if they only repeat what the server had computed. Values
    that the sender states itself are kept.
    """
    return await call.view.feed.update_portfolio(
        call.body, precondition=call.precondition, elsewhere=True
    )
