"""Backtests of backtrader, compared with its own analyzers and its broker."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.adapters import backtrader
from alphapulse_api.embed.feed import HostFeed
from tests.adapters.hosts import EVERY_HOST
from tests.adapters.viewer import Viewer
from tests.documented import LINES
from tests.embedding import settled

DAYS = pd.date_range("2020-01-01", periods=200)


def prices(phase: float = 0.0) -> Any:
    """A price that swings, so that averages cross."""
    close = (100 + 10 * np.sin(np.arange(200) / 8 + phase)).round(2)
    frame = pd.DataFrame({"close": close, "open": close}, index=DAYS)
    return bt.feeds.PandasData(dataname=frame.assign(high=close + 1, low=close - 1, volume=1000))


class Crossing(bt.Strategy):  # type: ignore[misc]
    """Reverses when the averages cross; its last position stays open."""

    def __init__(self) -> None:
        averages = bt.ind.SMA(period=5), bt.ind.SMA(period=20)
        self.crossing = bt.ind.CrossOver(*averages)

    def next(self) -> None:
        if self.crossing[0]:
            self.order_target_size(target=10 if self.crossing[0] > 0 else -10)


class Orders(bt.Strategy):  # type: ignore[misc]
    """Sends one order of each kind at the first bar, and cancels what is open at the 100th."""

    def next(self) -> None:
        if len(self) == 1:
            self.buy(size=1)
            self.buy(size=1, exectype=bt.Order.Limit, price=95)
            self.open = self.buy(size=1, exectype=bt.Order.StopLimit, price=200, plimit=201)
            self.buy(size=1_000_000)
        if len(self) == 100:
            self.cancel(self.open)


def cerebro_of(*strategies: type[bt.Strategy], **feeds: Any) -> bt.Cerebro:
    cerebro = bt.Cerebro()
    for name, data in (feeds or {"GOOG": prices()}).items():
        cerebro.adddata(data, name=name)
    for strategy in strategies:
        cerebro.addstrategy(strategy)
    cerebro.broker.setcash(100_000)
    cerebro.broker.setcommission(commission=0.001)
    return cerebro


@EVERY_HOST
def test_a_backtest_is_what_its_analyzers_say(feed: HostFeed, viewer: Viewer) -> None:
    cerebro = cerebro_of(Crossing)
    exec(LINES["backtrader"], {"feed": feed, "backtrader": backtrader, "cerebro": cerebro})
    cerebro.addanalyzer(bt.analyzers.Transactions, _name="fills")
    cerebro.addanalyzer(bt.analyzers.TradeAnalyzer, _name="trades")
    (strategy,) = cerebro.run()
    settled(feed)

    fills = strategy.analyzers.fills.get_analysis()
    trades = sorted(viewer.trades(), key=lambda trade: trade["executed_at"])
    assert [
        (trade["executed_at"][:10], float(trade["filled_quantity"]), float(trade["price"]))
        for trade in trades
    ] == [(f"{at:%Y-%m-%d}", abs(size), price) for at, ((size, price, *_),) in fills.items()]
    for trade, ((size, price, *_),) in zip(trades, fills.values(), strict=True):
        assert trade["side"] == ("buy" if size > 0 else "sell")
        assert trade["status"] == "filled"
        assert float(trade["fee"]) == pytest.approx(abs(size) * price * 0.001)
        assert trade["strategy"] == "Crossing"
    assert trades[0]["id"] == "backtrader:Crossing:GOOG:1"

    portfolio = viewer.history()
    assert len(portfolio["history"]) == 200  # one a bar
    assert float(portfolio["total_value"]) == cerebro.broker.getvalue()
    assert float(portfolio["cash"]) == cerebro.broker.getcash()
    (position,) = portfolio["positions"]
    held = strategy.position
    assert (position["symbol"], position["side"]) == ("GOOG", "long" if held.size > 0 else "short")
    profit = held.size * (strategy.data.close[0] - held.price)
    assert float(position["unrealized_pnl"]) == profit != 0

    closed = strategy.analyzers.trades.get_analysis()
    points = viewer.get("/api/metrics/trade", start_time="2020-01-01T00:00:00Z")
    assert len(points) == closed.total.closed > 2
    assert sum(point["value"] for point in points) == pytest.approx(closed.pnl.net.total)
    (agent,) = viewer.get("/api/agents")
    assert (agent["agent_id"], agent["state"]) == ("Crossing", "stopped")
    assert viewer.alerts() == []
    assert feed.stats().refused == 0


def test_orders_live_until_they_are_filled_cancelled_or_rejected(
    feed: HostFeed, viewer: Viewer
) -> None:
    cerebro = cerebro_of(Orders)
    cerebro.addanalyzer(backtrader.DashboardAnalyzer, feed=feed, run="run-1")
    cerebro.run()
    settled(feed)
    market, limit, cancelled, rejected = (viewer.trade(f"run-1:Orders:GOOG:{n}") for n in "1234")

    def states(trade: dict[str, Any]) -> list[str]:
        return [state["status"] for state in trade["history"]]

    assert (market["order_type"], states(market)[-1]) == ("market", "filled")
    assert states(limit) == ["pending", "open", "filled"]
    assert Decimal(limit["price"]) <= 95
    assert limit["metadata"] == {"limit_price": 95}
    assert states(cancelled) == ["pending", "open", "cancelled"]
    assert cancelled["price"] is None
    assert cancelled["order_type"] == "stop_limit"
    assert cancelled["metadata"] == {"limit_price": 201, "trigger_price": 200}
    assert rejected["status"] == "rejected"
    (alert,) = viewer.alerts()
    assert alert["title"] == "An order was rejected"
    assert alert["message"] == "buy 1e+06 GOOG: the cash does not suffice"
    assert feed.stats().refused == 0


def test_the_same_run_again_changes_nothing(feed: HostFeed, viewer: Viewer) -> None:
    seen = []
    for _ in range(2):
        cerebro = cerebro_of(Orders)
        cerebro.addanalyzer(backtrader.DashboardAnalyzer, feed=feed)
        cerebro.run()
        settled(feed)
        seen.append((viewer.trades(), viewer.alerts(), viewer.history()["history"]))
    assert seen[0] == seen[1]
    assert feed.stats().refused == 0


def test_strategies_and_data_side_by_side_are_kept_apart(feed: HostFeed, viewer: Viewer) -> None:
    cerebro = cerebro_of(Crossing, Crossing, A=prices(), B=prices(1.0))
    cerebro.addanalyzer(backtrader.DashboardAnalyzer, feed=feed)
    strategies = cerebro.run()
    settled(feed)
    assert {trade["strategy"] for trade in viewer.trades()} == {"Crossing", "Crossing-2"}
    assert float(viewer.portfolio()["total_value"]) == strategies[0].broker.getvalue()
    assert feed.stats().refused == 0


def test_a_closed_dashboard_does_not_stop_the_strategy(config: Config) -> None:
    with Dashboard.in_thread(config) as feed:
        pass
    cerebro = cerebro_of(Crossing)
    cerebro.addanalyzer(backtrader.DashboardAnalyzer, _name="dashboard", feed=feed)
    (strategy,) = cerebro.run()
    assert strategy.position.size
    assert strategy.analyzers.dashboard.get_analysis()["failed"] > 200
