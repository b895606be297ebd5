"""backtrader: an analyzer that shows a strategy while it runs.

    cerebro.addanalyzer(DashboardAnalyzer, feed=feed)

Each order becomes a trade that is updated with its notifications. Each bar updates the portfolio,
with unrealised profit. Each closed trade records its profit as a metric, and each order that the
broker rejects raises an alert. The times of the data are UTC, as backtrader stores them.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from alphapulse_api.adapters.missing import missing
from alphapulse_api.adapters.records import identifier, without_none, word
from alphapulse_api.adapters.sending import BACKTEST_PATIENCE, Sender
from alphapulse_api.domain.orders import FINAL
from alphapulse_api.embed.feed import HostFeed

try:
    from backtrader import Analyzer, Order, num2date
except ModuleNotFoundError as error:
    raise missing("backtrader", error) from None

__all__ = ["DashboardAnalyzer"]

logger = logging.getLogger(__name__)

_STATUSES: Final = {
    Order.Created: "pending", Order.Submitted: "pending", Order.Accepted: "open",
    Order.Partial: "partially_filled", Order.Completed: "filled", Order.Canceled: "cancelled",
    Order.Expired: "expired", Order.Margin: "rejected", Order.Rejected: "rejected",
}  # fmt: skip
# Metadata fields, and the attributes of the order's creation data that hold them.
_TERMS: Final = {
    Order.Limit: {"limit_price": "price"},
    Order.Stop: {"trigger_price": "price"},
    Order.StopLimit: {"trigger_price": "price", "limit_price": "pricelimit"},
    Order.StopTrail: {"trail_amount": "trailamount", "trail_percent": "trailpercent"},
    Order.StopTrailLimit: {
        "limit_price": "pricelimit", "trail_amount": "trailamount", "trail_percent": "trailpercent",
    },
}  # fmt: skip


class DashboardAnalyzer(Analyzer):
    """Records a strategy's activity on a dashboard.

    In live trading it never waits for the database. No fault of the dashboard reaches the strategy;
    `get_analysis()` counts the calls that failed.

    Args:
        feed: the feed of `Dashboard.in_process` or `Dashboard.in_thread`.
        run: an id of this run, the prefix of the ids of trades and alerts. A run with different
            orders needs a different one.
        strategy: the strategy's name; default: its class, with a number if Cerebro runs several.
        currency: the currency of the account.
        every: the interval between portfolios, in the time of the data; default: every bar.
    """

    def __init__(
        self,
        feed: HostFeed,
        *,
        run: str = "backtrader",
        strategy: str | None = None,
        currency: str = "USD",
        every: timedelta = timedelta(0),
    ) -> None:
        self._sender = Sender(feed, logger.warning)
        self._run = run
        self._name = strategy or ""
        self._currency = currency
        self._every = every
        self._numbers: dict[int, int] = {}
        self._shown: datetime | None = None

    def start(self) -> None:
        """Name the strategy, and record that it is active."""
        # By identity: `==` on strategies compares their lines.
        ours = [one is self.strategy for one in self.strategy.cerebro.runningstrats].index(True)
        if not self._name:
            number = f"-{ours + 1}" if ours else ""
            self._name = f"{type(self.strategy).__name__}{number}"
        if not any(data.islive() for data in self.datas):
            self._sender.patience = BACKTEST_PATIENCE
        self._agent("active")

    def stop(self) -> None:
        """Record the last portfolio, and that the strategy has stopped."""
        broker = self.strategy.broker
        self._show(broker.getcash(), broker.getvalue())
        self._agent("stopped")

    def get_analysis(self) -> dict[str, int]:
        """`failed`: the calls that did not reach the dashboard."""
        return {"failed": self._sender.failed}

    def notify_order(self, order: Any) -> None:
        """Record the state of an order."""
        with self._sender.guarded():
            trade = self._trade(order)
            self._sender.send("record_trade", trade)
            if trade["status"] == "rejected":
                self._sender.send("raise_alert", self._alert(order, trade))

    def notify_trade(self, trade: Any) -> None:
        """Record the profit of a closed trade, less its commission."""
        if trade.isclosed:
            point = {
                "metric_type": "trade",
                "name": "realized_pnl",
                "value": trade.pnlcomm,
                "timestamp": _instant(trade.dtclose),
                "labels": {
                    "symbol": self._symbol(trade.data),
                    "strategy": self._name,
                    "currency": self._currency,
                },
            }
            self._sender.send("record_metrics", point)

    def notify_cashvalue(self, cash: float, value: float) -> None:
        """Record the portfolio, if `every` has passed since the last one."""
        with self._sender.guarded():
            if self._shown is None or self._now() - self._shown >= self._every:
                self._show(cash, value)

    def _show(self, cash: float, value: float) -> None:
        with self._sender.guarded():
            self._shown = self._now()
            portfolio = {
                "total_value": value,
                "cash": cash,
                "currency": self._currency,
                "positions": [row for data in self.datas if (row := self._position(data))],
                "as_of": self._shown,
            }
            self._sender.send("update_portfolio", portfolio)

    def _trade(self, order: Any) -> dict[str, Any]:
        filled = bool(order.executed.size)
        status = _STATUSES[order.status]
        symbol = self._symbol(order.data)
        final = status in FINAL
        return {
            "id": identifier(self._run, self._name, symbol, self._number(order)),
            "client_order_id": str(self._number(order)),
            "symbol": symbol,
            "side": "buy" if order.isbuy() else "sell",
            "quantity": abs(order.created.size),
            "filled_quantity": abs(order.executed.size),
            "price": _price(order.executed) if filled else None,
            "order_type": word(order.getordername()),
            "status": status,
            "strategy": self._name,
            **({"fee": order.executed.comm, "fee_currency": self._currency} if final else {}),
            "executed_at": self._executed_at(order, status, filled),
            "metadata": _terms(order),
        }

    def _executed_at(self, order: Any, status: str, filled: bool) -> datetime | None:
        if filled and status not in ("partially_filled", "filled"):
            return None  # keep the time of the fill
        dt = order.executed.dt if filled or status in FINAL else order.created.dt
        return _instant(dt) if dt else self._now()

    def _number(self, order: Any) -> int:
        """The order's number in this run: backtrader's own counts across all runs of a process."""
        return self._numbers.setdefault(order.ref, len(self._numbers) + 1)

    def _alert(self, order: Any, trade: dict[str, Any]) -> dict[str, Any]:
        reason = "the cash does not suffice" if order.status == Order.Margin else "by the broker"
        return {
            "id": f"{trade['id']}:rejected",
            "title": "An order was rejected",
            "message": f"{trade['side']} {trade['quantity']:g} {trade['symbol']}: {reason}",
            "severity": "warning",
            "source": "backtrader",
            "created_at": trade["executed_at"],
            "tags": [self._name],
        }

    def _position(self, data: Any) -> dict[str, Any] | None:
        broker = self.strategy.broker
        held = broker.getposition(data)
        if not held.size:
            return None
        scheme = broker.getcommissioninfo(data)
        price = data.close[0]
        return {
            "symbol": self._symbol(data),
            "side": "long" if held.size > 0 else "short",
            "quantity": abs(held.size),
            "entry_price": held.price,
            "current_price": price,
            "value": scheme.getvaluesize(held.size, price),
            "unrealized_pnl": scheme.profitandloss(held.size, held.price, price),
        }

    def _agent(self, state: str) -> None:
        update = {"agent_type": "strategy", "state": state}
        self._sender.send("update_agent", identifier(self._name), update)

    def _symbol(self, data: Any) -> str:
        # `_name` is the documented name of a data feed, despite its underscore.
        return data._name or f"data{[one is data for one in self.datas].index(True)}"

    def _now(self) -> datetime:
        return _instant(self.strategy.datetime[0])


def _terms(order: Any) -> dict[str, Any]:
    terms = _TERMS.get(order.exectype, {})
    return without_none({name: getattr(order.created, key) for name, key in terms.items()})


def _price(executed: Any) -> float:
    """The average price; backtrader's own has rounding errors even if all parts have one price."""
    prices = {part.price for part in executed.exbits}
    price: float = prices.pop() if len(prices) == 1 else executed.price
    return price


def _instant(number: float) -> datetime:
    at: datetime = num2date(number)
    return at.replace(tzinfo=UTC)
