"""Measurements at the close of the market: metric points, agents' states, system samples."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import fmean

from alphapulse_api.demo.agents import CoinFlip, Signal
from alphapulse_api.demo.manager import Decision, Execution, Manager, Order
from alphapulse_api.demo.records import Record
from alphapulse_api.demo.risk import ACCOUNT, RiskAgent

__all__ = ["Close", "agent_records", "metric_records", "risk_readings", "system_records"]

Readings = Mapping[str, float | Mapping[str, float]]
"""Values by metric name; a mapping has one value for each label."""


@dataclass(frozen=True, slots=True)
class Close:
    """Everything known at the close of a day; fractions are of the account's value."""

    closes: Mapping[str, Decimal]
    manager: Manager
    risk: RiskAgent
    performance: Mapping[str, float]
    daily_return: float
    executions: Sequence[Execution]
    signals: Sequence[Signal]
    orders: Sequence[Order]
    decisions: Sequence[Decision]
    coin: CoinFlip

    @property
    def equity(self) -> float:
        return float(self.manager.account.equity(self.closes))

    @property
    def daily_loss(self) -> float:
        return max(0.0, -self.daily_return)

    @property
    def weights(self) -> dict[str, float]:
        """Each symbol's part of the account; shorts are negative, symbols not held are zero."""
        account = self.manager.account
        return {
            symbol: float(account.quantity(symbol) * price) / self.equity
            for symbol, price in self.closes.items()
        }


def risk_readings(close: Close) -> dict[tuple[str, str], float]:
    """Return the inputs of the risk rules, by metric name and subject."""
    return {
        ("current_drawdown", ACCOUNT): close.performance.get("current_drawdown", 0.0),
        ("daily_loss", ACCOUNT): close.daily_loss,
        **{("weight", symbol): abs(weight) for symbol, weight in close.weights.items()},
        **{("volatility", symbol): value for symbol, value in close.risk.volatilities.items()},
    }


def metric_records(close: Close) -> list[Record]:
    """Return the day's metric points."""
    return [
        *_points("performance", "", _performance(close)),
        *_points("risk", "symbol", _risk(close)),
        *_points("trade", "symbol", _trade(close)),
        *_points("agent", "agent_id", _agent(close)),
        # The usual series of prices, by which signals are judged and profit is computed.
        *_points("price", "", {symbol: float(price) for symbol, price in close.closes.items()}),
        *_points("system", "", {"orders_waiting": len(close.orders)}),
    ]


def _performance(close: Close) -> Readings:
    account = close.manager.account
    unrealized = sum(p.unrealized_pnl(close.closes[p.symbol]) for p in account.positions.values())
    measures = ("total_return", "annualised_volatility", "sharpe_ratio", "sortino_ratio")
    return {
        "total_value": close.equity,
        "daily_return": close.daily_return,
        "realized_pnl": float(account.realized_pnl),
        "unrealized_pnl": float(unrealized),
        **{name: close.performance[name] for name in measures if name in close.performance},
    }


def _risk(close: Close) -> Readings:
    weights = close.weights
    drawdowns = ("current_drawdown", "max_drawdown")
    return {
        "gross_exposure": sum(abs(weight) for weight in weights.values()),
        "net_exposure": sum(weights.values()),
        "weight": weights,
        "volatility": close.risk.volatilities,
        "daily_loss": close.daily_loss,
        **{name: close.performance[name] for name in drawdowns if name in close.performance},
    }


def _trade(close: Close) -> Readings:
    return {
        "fills": len(close.executions),
        "turnover": float(sum(e.fill.value for e in close.executions)) / close.equity,
        "fees_paid": float(close.manager.account.fees),
    }


def _agent(close: Close) -> Readings:
    books = close.manager.books
    return {
        "pnl": {name: float(book.equity(close.closes)) for name, book in books.items()},
        "exposure": {
            name: float(book.gross_value(close.closes)) / close.equity
            for name, book in books.items()
        },
    }


def _points(metric_type: str, label: str, readings: Readings) -> Iterator[Record]:
    for name, value in readings.items():
        by_label = value.items() if isinstance(value, Mapping) else [("", value)]
        for key, number in by_label:
            yield {
                "metric_type": metric_type,
                "name": name,
                "value": number,
                "labels": {label: key} if key else {},
            }


def agent_records(close: Close) -> dict[str, Record]:
    """Return the state of every agent by its id; `pnl` is in USD, after fees."""
    records: dict[str, Record] = {}
    for agent in close.manager.agents:
        book = close.manager.books[agent.agent_id]
        records[agent.agent_id] = {
            "agent_type": agent.agent_type,
            "state": "active",
            "metrics": {
                "pnl": float(book.equity(close.closes)),
                "fees": float(book.fees),
                "fills": book.fills,
                "positions": len(book.positions),
                **_signalling(close, agent.agent_id),
            },
        }
    reduced = [scale for scale in close.risk.scales.values() if scale < close.risk.FULL]
    records[close.risk.agent_id] = {
        "agent_type": close.risk.agent_type,
        "state": "active",
        "metrics": {
            "reduced_symbols": len(reduced),
            "highest_volatility": max(close.risk.volatilities.values()),
            **_signalling(close, close.risk.agent_id),
        },
    }
    records[close.coin.agent_id] = {
        "agent_type": close.coin.agent_type,
        "state": "active",
        "metrics": _signalling(close, close.coin.agent_id),
    }
    records[close.manager.agent_id] = {
        "agent_type": close.manager.agent_type,
        "state": "active",
        "metrics": {"decisions": len(close.decisions), "orders": len(close.orders)},
    }
    return records


def _signalling(close: Close, agent_id: str) -> dict[str, float]:
    confidences = [signal.confidence for signal in close.signals if signal.agent_id == agent_id]
    counted = {"signals": float(len(confidences))}
    return {**counted, "mean_confidence": fmean(confidences)} if confidences else counted


def system_records(close: Close, active_alerts: int) -> list[Record]:
    """Return a sample of each part of the trading process."""
    samples = {
        "market-data": {"symbols": len(close.closes)},
        "execution": {"fills": len(close.executions), "orders_waiting": len(close.orders)},
        "risk-monitor": {"active_alerts": active_alerts},
    }
    return [
        {"component": component, "status": "healthy", "metrics": metrics}
        for component, metrics in samples.items()
    ]
