"""Converts a day's events to records of the Feed, without timestamps.

`prefix` is the prefix of their ids, so that passes over the prices never share an id.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from alphapulse_api.demo.agents import Signal
from alphapulse_api.demo.ledger import Ledger
from alphapulse_api.demo.manager import Execution
from alphapulse_api.demo.risk import Alert

__all__ = ["Record", "alert_record", "portfolio_record", "signal_record", "trade_record"]

Record = dict[str, Any]


def signal_record(signal: Signal, day: date, prefix: str) -> Record:
    return {
        "id": f"{prefix}{day}-{signal.agent_id}-{signal.symbol}",
        "agent_id": signal.agent_id,
        "symbol": signal.symbol,
        "direction": signal.direction,
        "confidence": signal.confidence,
        "target_price": signal.target_price,
        "stop_loss": signal.stop_loss,
        "metadata": {"replayed_date": str(day), **signal.evidence},
    }


def trade_record(execution: Execution, day: date, prefix: str) -> Record:
    order, fill = execution.order, execution.fill
    return {
        "id": f"{prefix}{day}-{order.agent_id}-{order.symbol}",
        "order_id": f"{prefix}{order.decided_on}-{order.agent_id}-{order.symbol}-order",
        "symbol": order.symbol,
        "side": "buy" if order.quantity > 0 else "sell",
        "quantity": abs(order.quantity),
        "price": fill.price,
        "value": fill.value,
        "fee": fill.fee,
        "fee_currency": "USD",
        "order_type": "market",
        "status": "filled",
        "agent_id": order.agent_id,
        "strategy": order.strategy,
        "metadata": {"replayed_date": str(day), "realized_pnl": str(execution.realized_pnl)},
    }


def alert_record(alert: Alert, source: str, day: date, prefix: str) -> Record:
    return {
        "id": f"{prefix}{day}-{alert.key}",
        "title": alert.title,
        "message": alert.message,
        "severity": alert.severity,
        "source": source,
        "rule_id": alert.rule_id,
        "metric_name": alert.metric_name,
        "metric_value": alert.metric_value,
        "threshold": alert.threshold,
        "tags": list(alert.tags),
        "metadata": {"replayed_date": str(day)},
    }


def portfolio_record(
    account: Ledger, closes: Mapping[str, Decimal], performance: Mapping[str, float]
) -> Record:
    """The account at the day's closes; the value of a short position is negative."""
    equity = account.equity(closes)
    return {
        "total_value": equity,
        "cash": account.cash,
        "currency": "USD",
        "positions": list(_positions(account, closes, equity)),
        "performance": dict(performance),
    }


def _positions(account: Ledger, closes: Mapping[str, Decimal], equity: Decimal) -> Iterator[Record]:
    for symbol, position in sorted(account.positions.items()):
        price = closes[symbol]
        profit = position.unrealized_pnl(price)
        yield {
            "symbol": symbol,
            "side": "long" if position.quantity > 0 else "short",
            "quantity": abs(position.quantity),
            "entry_price": position.entry_price,
            "current_price": price,
            "value": position.value(price),
            "weight": round(float(position.value(price) / equity), 6),
            "unrealized_pnl": profit,
            "unrealized_pnl_pct": round(float(profit / abs(position.cost)), 6),
            "realized_pnl": position.realized_pnl,
            "opened_on_day": position.opened_on_day,
        }
