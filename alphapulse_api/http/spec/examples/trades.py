"""Trades."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.http.spec.examples.instants import AFTER_NOON, NOON, NOON_ANSWER

_TRADE: Final = {
    "id": "t-1", "symbol": "AAPL", "side": "buy", "quantity": "10", "price": "187.20",
    "fee": "1.05", "fee_currency": "USD", "order_type": "limit", "status": "filled",
    "agent_id": "momentum-1", "strategy": "momentum", "executed_at": NOON,
    "decision_id": "d-1", "decided_price": "187.00",
    "metadata": {"venue": "XNAS"}, "book": "main",
}  # fmt: skip
_TRADE_ANSWER: Final[dict[str, Any]] = {
    "id": "t-1", "order_id": None, "client_order_id": None, "symbol": "AAPL", "side": "buy",
    "quantity": "10", "filled_quantity": "10", "price": "187.20", "value": "1872.00",
    "fee": "1.05", "fee_currency": "USD", "fees": [], "order_type": "limit", "status": "filled",
    "agent_id": "momentum-1", "strategy": "momentum", "executed_at": NOON_ANSWER,
    "updated_at": AFTER_NOON, "corrects": None, "decision_id": "d-1", "decided_price": "187.00",
    "metadata": {"venue": "XNAS"}, "book": "main",
}  # fmt: skip
WITH_HISTORY: Final = {
    **_TRADE_ANSWER,
    "history": [{"at": AFTER_NOON, "status": "filled", "filled_quantity": "10", "price": "187.20"}],
}
PROFIT: Final = {
    "position_before": "0", "position_after": "10", "closed_quantity": "0", "closed_profit": "0",
    "opened_quantity": "10", "open_quantity": "10", "realized_profit": "0",
    "unrealized_profit": "0", "price": "187.20", "price_at": NOON_ANSWER, "profit": "0",
    "fees": [{"currency": "USD", "amount": "1.05"}],
}  # fmt: skip

REQUESTS: Final[Mapping[str, Any]] = {
    "TradeRequest": _TRADE,
    "ImportedTrade": _TRADE,
}
ANSWERS: Final[Mapping[str, Any]] = {
    "Trade": _TRADE_ANSWER,
    "TradeWithHistory": WITH_HISTORY,
}
