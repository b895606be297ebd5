"""The types of trades."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NotRequired, TypedDict

Side = Literal["buy", "sell"]
TradeStatus = Literal[
    "pending", "open", "partially_filled", "filled", "cancelled", "rejected", "expired"
]


class Fee(TypedDict):
    """A fee in one currency; a negative one is a rebate."""

    currency: str
    amount: Decimal


class OrderState(TypedDict):
    """One state of an order, and when it was recorded."""

    at: datetime
    status: TradeStatus
    filled_quantity: Decimal | None
    price: Decimal | None


class Trade(TypedDict):
    """An order or its execution; only the answer for a single trade has `history`."""

    id: str
    order_id: str | None
    client_order_id: str | None
    symbol: str
    side: Side
    quantity: Decimal
    filled_quantity: Decimal | None
    price: Decimal | None
    value: Decimal | None
    fee: Decimal | None
    fee_currency: str | None
    fees: list[Fee]
    order_type: str
    status: TradeStatus
    agent_id: str | None
    strategy: str | None
    executed_at: datetime
    updated_at: datetime | None
    corrects: str | None
    decision_id: str | None
    decided_price: Decimal | None
    metadata: dict[str, Any]
    book: str
    history: NotRequired[list[OrderState]]
