"""Profit, summed over round trips."""

from __future__ import annotations

from typing import Final

from alphapulse_api.http.handlers import pnl
from alphapulse_api.http.route import Row
from alphapulse_api.schemas.pnl import PnlQuery, PnlSum

# fmt: off
ROWS: Final = (
    # By all trades of the book and not by a filter: it also depends on the mode and the currency of
    # the book, whose change makes that tag stale.
    Row("GET", "/api/pnl", "view_trades", pnl.list_pnl, query=PnlQuery, answer=PnlSum, many=True,
        resource="trades", narrowed=False, channel="trades", tag="trades", operation="listPnl"),
)
# fmt: on
