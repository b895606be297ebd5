"""Portfolios and their history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.http.spec.examples.instants import NOON, NOON_ANSWER

_POSITION: Final = {
    "symbol": "AAPL", "side": "long", "quantity": "10", "entry_price": "187.20",
    "current_price": "190.00", "unrealized_pnl": "28.00", "unrealized_pnl_pct": 0.015,
    "opened_at": NOON,
}  # fmt: skip
_PORTFOLIO: Final = {
    "total_value": "100000.00", "cash": "98100.00", "currency": "USD", "positions": [_POSITION],
    "performance": {"sharpe": 1.4}, "as_of": NOON, "book": "main",
}  # fmt: skip
_PORTFOLIO_ANSWER: Final = {
    **_PORTFOLIO,
    "positions": [
        {
            **_POSITION, "value": "1900.00", "weight": 0.019, "realized_pnl": None,
            "opened_at": NOON_ANSWER,
        }
    ],
    "as_of": NOON_ANSWER,
    "stale": True,
}  # fmt: skip
_AMOUNTS: Final = {
    "total_value": "100000.00", "cash": "98100.00", "positions_value": "1900.00",
}  # fmt: skip

REQUESTS: Final[Mapping[str, Any]] = {
    "PortfolioRequest": _PORTFOLIO,
    "EquityPoint": {"timestamp": NOON, "total_value": "100000.00", "cash": "98100.00"},
}
ANSWERS: Final[Mapping[str, Any]] = {
    "Portfolio": _PORTFOLIO_ANSWER,
    "HistoryPoint": {
        "timestamp": NOON_ANSWER, "total_value": "100000.00", "cash": "98100.00",
        "positions_value": "1900.00",
    },
    "PortfolioOverview": {
        "portfolios": [
            {
                "book": "main", "title": None, "mode": "live", "closed_at": None, "currency": "USD",
                **_AMOUNTS, "as_of": NOON_ANSWER, "stale": True,
            }
        ],
        "totals": [{"mode": "live", "currency": "USD", "books": 1, **_AMOUNTS}],
        "stale_after": 300.0,
    },
}  # fmt: skip
