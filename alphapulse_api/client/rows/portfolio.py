"""The types of portfolios."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal, NotRequired, TypedDict


class Position(TypedDict):
    """One holding; `weight` and `unrealized_pnl_pct` are ratios."""

    symbol: str
    side: Literal["long", "short"]
    quantity: Decimal
    entry_price: Decimal | None
    current_price: Decimal | None
    value: Decimal | None
    weight: float | None
    unrealized_pnl: Decimal | None
    unrealized_pnl_pct: float | None
    realized_pnl: Decimal | None
    opened_at: datetime | None


class HistoryPoint(TypedDict):
    """The value of the portfolio at one time."""

    timestamp: datetime
    total_value: Decimal
    cash: Decimal
    positions_value: Decimal


class Portfolio(TypedDict):
    """Positions, cash and their value."""

    total_value: Decimal
    cash: Decimal
    currency: str
    positions: list[Position]
    performance: dict[str, float | None]
    as_of: datetime
    stale: bool
    book: str
    history: NotRequired[list[HistoryPoint]]
