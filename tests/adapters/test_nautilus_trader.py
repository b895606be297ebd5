"""Backtests of nautilus_trader's own strategies and test kit, compared with its reports."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.common.component import flush_logger
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model import Bar, Money
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.enums import AccountType, OrderSide
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.test_kit.stubs.events import TestEventStubs
from nautilus_trader.trading.strategy import Strategy

from alphapulse_api import Config, Dashboard
from alphapulse_api.adapters.nautilus_trader import DashboardActor
from alphapulse_api.embed.feed import HostFeed
from tests.adapters.hosts import EVERY_HOST
from tests.adapters.nautilus import BARS, BINANCE, ETHUSDT, crossing, engine, open_venue
from tests.adapters.viewer import Viewer
from tests.documented import LINES
from tests.embedding import settled, until

__all__ = ["engine"]  # a fixture


class Orders(Strategy):  # type: ignore[misc]
    """Sends one order of each kind at the first bar, and cancels what is open at the 100th."""

    def on_start(self) -> None:
        self.subscribe_bars(BARS)
        self.seen = 0

    def on_bar(self, bar: Bar) -> None:
        self.seen += 1
        buy, of = OrderSide.BUY, ETHUSDT.id
        size = Quantity(1, 5)
        if self.seen == 1:
            self.submit_order(self.order_factory.market(of, buy, size))
            self.submit_order(self.order_factory.limit(of, buy, size, Price(1950, 2)))
            self.submit_order(self.order_factory.limit(of, buy, size, Price(100, 2)))
            self.submit_order(self.order_factory.market(of, buy, Quantity(100_000, 5)))
        if self.seen == 100:
            self.cancel_all_orders(of)


def own_portfolio(engine: BacktestEngine) -> Decimal:
    """Balance and unrealised profit, by nautilus_trader's own portfolio."""
    balance = engine.portfolio.account(BINANCE).balance_total(USDT).as_decimal()
    profit: Decimal = engine.portfolio.unrealized_pnl(ETHUSDT.id).as_decimal()
    return Decimal(balance) + profit


@EVERY_HOST
def test_a_backtest_is_what_its_reports_say(
    engine: BacktestEngine, feed: HostFeed, viewer: Viewer
) -> None:
    open_venue(engine, AccountType.MARGIN, [Money(1_000_000, USDT)], USDT)
    engine.add_strategy(crossing())
    exec(
        LINES["nautilus_trader, a `BacktestEngine`"],
        {"engine": engine, "DashboardActor": DashboardActor, "feed": feed},
    )
    engine.run()
    settled(feed)

    fills = engine.trader.generate_order_fills_report()
    assert len(fills) > 5
    stored = {trade["client_order_id"]: trade for trade in viewer.trades()}
    assert set(stored) == set(fills.index)
    for client_id, fill in fills.iterrows():
        trade = stored[client_id]
        assert trade["id"] == f"BACKTESTER-001:ETHUSDT.BINANCE:{client_id}"
        assert trade["side"] == fill["side"].lower()
        assert trade["status"] == "filled"
        assert Decimal(trade["filled_quantity"]) == Decimal(fill["filled_qty"])
        assert Decimal(trade["price"]) == Decimal(str(fill["avg_px"]))
        amount, currency = fill["commissions"][0].split()
        assert (Decimal(trade["fee"]), trade["fee_currency"]) == (Decimal(amount), currency)
        assert pd.Timestamp(trade["executed_at"]) == fill["ts_last"]
        assert trade["strategy"] == "EMACross-000"

    account = engine.trader.generate_account_report(BINANCE)
    portfolio = viewer.portfolio(include_history=True, start_time="2024-01-01T00:00:00Z")
    assert Decimal(portfolio["cash"]) == Decimal(account["total"].iloc[-1])
    assert Decimal(portfolio["total_value"]) == own_portfolio(engine)
    assert portfolio["currency"] == "USDT"
    (position,) = portfolio["positions"]
    (held,) = engine.cache.positions_open()
    assert position["symbol"] == "ETHUSDT.BINANCE"
    assert position["side"] == held.side.name.lower()
    profit = engine.portfolio.unrealized_pnl(ETHUSDT.id)
    assert Decimal(position["unrealized_pnl"]) == profit.as_decimal()
    assert profit.as_decimal() != 0
    assert len(portfolio["history"]) > 250  # one a minute

    closed = engine.trader.generate_positions_report().query("side == 'FLAT'")
    points = viewer.get("/api/metrics/trade", start_time="2024-01-01T00:00:00Z")
    assert [point["value"] for point in points] == [
        float(profit.split()[0]) for profit in closed.sort_values("ts_closed")["realized_pnl"]
    ]
    (agent,) = viewer.get("/api/agents")
    assert (agent["agent_id"], agent["state"]) == ("EMACross-000", "stopped")
    assert viewer.alerts() == []
    assert feed.stats().refused == 0


def test_the_same_backtest_again_changes_nothing(
    engine: BacktestEngine, feed: HostFeed, viewer: Viewer
) -> None:
    open_venue(engine, AccountType.MARGIN, [Money(1_000_000, USDT)], USDT)
    engine.add_strategy(Orders(StrategyConfig()))
    engine.add_actor(DashboardActor(feed))
    seen = []
    for _ in range(2):
        engine.run()
        engine.reset()
        settled(feed)
        points = viewer.get("/api/metrics/trade", start_time="2024-01-01T00:00:00Z")
        history = viewer.history()["history"]
        seen.append((viewer.trades(), viewer.alerts(), history, points))
    assert len(seen[0][0]) == 4
    assert seen[0] == seen[1]
    assert feed.stats().refused == 0


def test_orders_live_until_they_are_filled_cancelled_or_denied(
    engine: BacktestEngine, feed: HostFeed, viewer: Viewer
) -> None:
    open_venue(engine, AccountType.MARGIN, [Money(1_000_000, USDT)], USDT)
    engine.add_strategy(Orders(StrategyConfig()))
    engine.add_actor(DashboardActor(feed, run="run-1"))
    engine.run()
    settled(feed)
    filled, limit, cancelled, denied = [
        viewer.trade(f"run-1:{order.trader_id}:{order.instrument_id}:{order.client_order_id}")
        for order in sorted(engine.cache.orders(), key=lambda order: order.client_order_id.value)
    ]

    def states(trade: dict[str, Any]) -> list[str]:
        return [state["status"] for state in trade["history"]]

    assert states(filled)[-1] == "filled"
    assert states(limit) == ["pending", "open", "filled"]
    assert states(cancelled) == ["pending", "open", "cancelled"]
    assert denied["status"] == "rejected"
    assert denied["metadata"]["reason"]
    assert limit["metadata"]["limit_price"] == "1950.00"
    assert cancelled["price"] is None
    (alert,) = viewer.alerts()
    assert alert["title"].startswith("An order was ")
    assert denied["client_order_id"] in alert["message"]
    assert feed.stats().refused == 0


def test_warnings_of_a_backtest_are_alerts(
    engine: BacktestEngine, feed: HostFeed, viewer: Viewer, log_file: Path
) -> None:
    open_venue(engine, AccountType.MARGIN, [Money(1_000_000, USDT)], USDT)
    engine.add_strategy(Orders(StrategyConfig()))
    actor = DashboardActor(feed, log_file=log_file, every=timedelta(minutes=5))
    engine.add_actor(actor)
    actor.log.warning("Something odd at first")
    flush_logger()
    until(lambda: "Something odd at first" in log_file.read_text())
    engine.run()
    settled(feed)
    (odd,) = [alert for alert in viewer.alerts() if alert["message"] == "Something odd at first"]
    assert (odd["severity"], odd["source"]) == ("warning", "nautilus_trader")
    assert odd["title"] == "AlphaPulseDashboard: Something odd at first"


def test_what_comes_before_the_actor_starts_is_shown(
    engine: BacktestEngine, feed: HostFeed, viewer: Viewer
) -> None:
    engine.add_actor(DashboardActor(feed))
    engine.kernel.portfolio.update_account(TestEventStubs.margin_account_state())
    settled(feed)
    assert Decimal(viewer.portfolio()["total_value"]) == 1_000_000


def test_a_closed_dashboard_does_not_stop_the_engine(
    engine: BacktestEngine, config: Config
) -> None:
    with Dashboard.in_thread(config) as feed:
        actor = DashboardActor(feed)
    open_venue(engine, AccountType.MARGIN, [Money(1_000_000, USDT)], USDT)
    engine.add_strategy(crossing())
    engine.add_actor(actor)
    engine.run()
    assert len(engine.trader.generate_order_fills_report()) > 5
    assert actor.failed > 5
