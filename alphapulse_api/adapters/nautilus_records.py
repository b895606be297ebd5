"""Converts nautilus_trader's orders and events to records of the feed; used by its adapter."""

from __future__ import annotations

from typing import Any, Final

from alphapulse_api.adapters.records import fee_fields, identifier, without_none, word
from alphapulse_api.domain.orders import FINAL

SOURCE: Final = "nautilus_trader"
STATUSES: Final = {
    "INITIALIZED": "pending", "EMULATED": "pending", "RELEASED": "pending", "SUBMITTED": "pending",
    "DENIED": "rejected", "REJECTED": "rejected", "ACCEPTED": "open", "TRIGGERED": "open",
    "PENDING_UPDATE": "open", "PENDING_CANCEL": "open", "PARTIALLY_FILLED": "partially_filled",
    "FILLED": "filled", "CANCELED": "cancelled", "EXPIRED": "expired",
}  # fmt: skip
REFUSALS: Final = {
    "OrderDenied": "An order was denied",
    "OrderRejected": "An order was rejected",
    "OrderModifyRejected": "A change of an order was rejected",
    "OrderCancelRejected": "A cancellation was rejected",
}


def trade_of(order: Any, event: Any, *run: str) -> dict[str, Any]:
    """The state of an order after an event, for `record_trade`.

    Args:
        order: `nautilus_trader.model.orders.Order`.
        event: the order's newest event, whose time is the time of execution.
        run: the prefix of the id.
    """
    filled = order.filled_qty.as_decimal()
    status = STATUSES[order.status_string()]
    if status in ("pending", "open") and filled:
        status = "partially_filled"
    fees = [
        {"currency": fee.currency.code, "amount": fee.as_decimal()} for fee in order.commissions()
    ]
    fill = hasattr(event, "trade_id")
    return {
        "id": identifier(*run, order.trader_id, order.instrument_id, order.client_order_id),
        "order_id": _text(order.venue_order_id),
        "client_order_id": order.client_order_id.value,
        "symbol": order.instrument_id.value,
        "side": order.side_string(),
        # The initial quantity: a trade keeps it when its order is amended.
        "quantity": order.init_event.quantity.as_decimal(),
        "filled_quantity": filled,
        "price": order.avg_px if filled else None,
        "order_type": word(order.type_string()),
        "status": status,
        "strategy": order.strategy_id.value,
        # A cancellation after a fill must not replace the time of the fill.
        "executed_at": event.ts_event if fill or not filled else None,
        # Not before the order is final: later fills may add fees in other currencies.
        **(fee_fields(fees) if status in FINAL else {}),
        "metadata": without_none(
            {
                "limit_price": _text(order.price) if order.has_price else None,
                "trigger_price": _text(order.trigger_price) if order.has_trigger_price else None,
                "time_in_force": order.tif_string(),
                "position_id": _text(order.position_id),
                "trade_ids": [trade_id.value for trade_id in order.trade_ids] or None,
                "tags": order.tags or None,
                "reason": getattr(event, "reason", None),
            }
        ),
    }


def profit_of(event: Any) -> dict[str, Any]:
    """The profit of a closed position as a metric point; `event` is a `PositionClosed`."""
    return {
        "metric_type": "trade",
        "name": "realized_pnl",
        "value": event.realized_pnl.as_double(),
        "timestamp": event.ts_event,
        "labels": {
            "symbol": event.instrument_id.value,
            "strategy": event.strategy_id.value,
            "currency": event.realized_pnl.currency.code,
        },
    }


def refusal_of(event: Any, *run: str) -> dict[str, Any]:
    """The alert for an event whose class is in `REFUSALS`."""
    return {
        "id": identifier(*run, event.trader_id, event.client_order_id, event.ts_event, "refused"),
        "title": REFUSALS[type(event).__name__],
        "message": f"{event.client_order_id} of {event.instrument_id}: {event.reason}",
        "severity": "warning",
        "source": SOURCE,
        "created_at": event.ts_event,
        "tags": [event.strategy_id.value],
    }


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
