"""Converts a day's events to records of the Feed, without timestamps.

`prefix` is the prefix of their ids, so that passes over the prices never share an id.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from alphapulse_api.demo.agents import Signal
from alphapulse_api.demo.ledger import Ledger
from alphapulse_api.demo.manager import Decision, Execution, Manager
from alphapulse_api.demo.risk import Alert, RiskAgent

__all__ = ["Record", "alert_record", "decision_record", "portfolio_record", "trade_record"]

Record = dict[str, Any]


def decision_record(decision: Decision, day: date, prefix: str, book: str) -> Record:
    """A decision with its signals. Its trades follow on the next day, when the orders fill."""
    before, target = _weight(decision.weight_before), _weight(decision.weight_target)
    wanted = _weight(decision.weight_wanted)
    shares = sum(order.quantity for order in decision.orders)
    cut = [
        {
            "name": "volatility",
            "symbol": decision.symbol,
            "before": wanted,
            "after": target,
            "reason": f"Volatility was over {RiskAgent.LIMIT:.0%} a year, and is not below "
            f"{RiskAgent.BACK_TO_FULL:.0%} again: positions are halved.",
        }
    ]
    return {
        "id": decision.id,
        "book": book,
        "agent_id": Manager.agent_id,
        "cycle_id": decision.cycle_id,
        "outcome": "ordered" if decision.orders else "no_trade",
        "reasoning": _reasoning(decision, shares),
        "signals": [
            {**_signal_record(signal, day, prefix), "book": book, "cycle_id": decision.cycle_id}
            for signal in decision.signals
        ],
        "votes": [
            {"agent_id": name, "weight": float(weight), "conviction": conviction}
            for name, (weight, conviction) in decision.votes.items()
        ],
        "targets": [
            {
                "symbol": decision.symbol,
                "weight_before": float(before),
                "weight_target": float(target),
                "quantity": shares,
            }
        ],
        "constraints": cut if wanted != target else [],
        "metadata": {"replayed_date": str(day)},
    }


def _weight(part: Decimal) -> Decimal:
    return part.quantize(Decimal("0.0001"))


def _reasoning(decision: Decision, shares: Decimal | int) -> str:
    lines = [
        f"The agents ask for {decision.weight_wanted:+.1%} of the account in {decision.symbol}.",
        f"It holds {decision.weight_before:+.1%}.",
    ]
    if decision.weight_target != decision.weight_wanted:
        lines.insert(1, f"Risk cuts that to {decision.weight_target:+.1%}.")
    if not decision.orders:
        lines.append("The difference is too small to trade.")
    elif shares:
        lines.append(f"{'Buy' if shares > 0 else 'Sell'} {abs(shares)} shares at the next close.")
    else:
        lines.append("The orders of the agents offset each other.")
    return " ".join(lines)


def _signal_record(signal: Signal, day: date, prefix: str) -> Record:
    return {
        "id": f"{prefix}{day}-{signal.agent_id}-{signal.symbol}",
        "agent_id": signal.agent_id,
        "symbol": signal.symbol,
        "direction": signal.direction,
        "confidence": signal.confidence,
        "target_price": signal.target_price,
        "stop_loss": signal.stop_loss,
        "thesis": signal.thesis,
        "conviction": signal.conviction,
        "horizon": signal.horizon,
        "metadata": {"replayed_date": str(day), **signal.evidence},
    }


def trade_record(execution: Execution, day: date, prefix: str, book: str) -> Record:
    order, fill = execution.order, execution.fill
    return {
        "id": f"{prefix}{day}-{order.agent_id}-{order.symbol}",
        "book": book,
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
        "decision_id": order.decision_id,
        "decided_price": order.decided_price,
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
    account: Ledger, closes: Mapping[str, Decimal], performance: Mapping[str, float], book: str
) -> Record:
    """The account at the day's closes; the value of a short position is negative."""
    equity = account.equity(closes)
    return {
        "book": book,
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
