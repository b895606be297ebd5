"""Backtests of nautilus_trader's own strategies and test kit, compared with its reports."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.common.component import flush_logger
from nautilus_trader.config import BacktestEngineConfig, StrategyConfig
from nautilus_trader.examples.strategies.ema_cross import EMACross, EMACrossConfig
from nautilus_trader.model import Bar, BarType, Currency, InstrumentId, Money, Venue
from nautilus_trader.model.currencies import ETH, USD, USDT
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

from alphapulse_api import Config, Dashboard
from alphapulse_api.adapters.nautilus_trader import DashboardActor
from alphapulse_api.embed.feed import HostFeed
from tests.adapters.hosts import EVERY_HOST
from tests.adapters.nautilus import logging_to
from tests.adapters.viewer import Viewer
from tests.documented import LINES
from tests.embedding import settled, until

ETHUSDT = TestInstrumentProvider.ethusdt_binance()
BINANCE = Venue("BINANCE")
BARS = BarType.from_str("ETHUSDT.BINANCE-1-MINUTE-LAST-EXTERNAL")
BEGIN = pd.Timestamp("2024-01-01", tz="UTC").value
MINUTE = 60_000_000_000


def bars(count: int = 300, kind: BarType = BARS, precision: int = 5) -> list[Bar]:
    """A price that swings, so that averages cross."""

    def bar(minute: int) -> Bar:
        middle = round(2000 + 100 * math.sin(minute / 20), 2)
        prices = [Price(middle + by, 2) for by in (0, 1, -1, 0)]
        at = BEGIN + minute * MINUTE
        return Bar(kind, *prices, Quantity(100, precision), at, at)

    return [bar(minute) for minute in range(count)]


@pytest.fixture
def engine(log_file: Path) -> Iterator[BacktestEngine]:
    engine = BacktestEngine(BacktestEngineConfig(logging=logging_to(log_file)))
    yield engine
    engine.dispose()


def open_venue(
    engine: BacktestEngine, account: AccountType, balances: list[Money], base: Currency | None
) -> None:
    engine.add_venue(BINANCE, OmsType.NETTING, account, balances, base_currency=base)
    engine.add_instrument(ETHUSDT)
    engine.add_data(bars())


def crossing(
    of: InstrumentId = ETHUSDT.id, kind: BarType = BARS, size: Decimal = Decimal("0.1")
) -> EMACross:
    """Buys and sells at the market; its last position stays open."""
    return EMACross(
        EMACrossConfig(
            instrument_id=of,
            bar_type=kind,
            trade_size=size,
            request_bars=False,
            subscribe_trade_ticks=False,
            close_positions_on_stop=False,
        )
    )


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


def test_a_cash_account_of_several_currencies_counts_its_holdings_once(
    engine: BacktestEngine, feed: HostFeed, viewer: Viewer
) -> None:
    open_venue(engine, AccountType.CASH, [Money(10_000, USDT), Money(2, ETH)], None)
    engine.add_strategy(crossing())
    engine.add_actor(DashboardActor(feed, currency="USDT"))
    engine.run()
    settled(feed)
    portfolio = viewer.portfolio()
    account = engine.portfolio.account(BINANCE)
    price = engine.cache.bar(BARS).close.as_decimal()
    cash = account.balance_total(USDT).as_decimal()
    coins = account.balance_total(ETH).as_decimal()
    assert Decimal(portfolio["cash"]) == cash
    assert Decimal(portfolio["total_value"]) == cash + coins * price
    quantities = [
        Decimal(row["quantity"]) * (1 if row["side"] == "long" else -1)
        for row in portfolio["positions"]
    ]
    assert sum(quantities) == coins
    assert {row["symbol"] for row in portfolio["positions"]} == {"ETHUSDT.BINANCE", "ETH"}


def test_a_cash_account_of_one_currency_counts_its_shares(
    engine: BacktestEngine, feed: HostFeed, viewer: Viewer
) -> None:
    shares = TestInstrumentProvider.equity()
    engine.add_venue(
        shares.venue, OmsType.NETTING, AccountType.CASH, [Money(1_000_000, USD)], base_currency=USD
    )
    engine.add_instrument(shares)
    kind = BarType.from_str(f"{shares.id}-1-MINUTE-LAST-EXTERNAL")
    engine.add_data(bars(260, kind, 0))  # at their end the price rises
    engine.add_strategy(crossing(shares.id, kind, Decimal(10)))
    engine.add_actor(DashboardActor(feed))
    engine.run()
    settled(feed)
    portfolio = viewer.portfolio()
    (position,) = engine.cache.positions_open()
    cash = engine.portfolio.account(shares.venue).balance_total(USD).as_decimal()
    worth = position.signed_decimal_qty() * engine.cache.bar(kind).close.as_decimal()
    assert (portfolio["currency"], Decimal(portfolio["cash"])) == ("USD", cash)
    assert Decimal(portfolio["total_value"]) == cash + worth


def test_a_balance_without_a_rate_is_listed_without_a_value(
    engine: BacktestEngine, feed: HostFeed, viewer: Viewer
) -> None:
    open_venue(engine, AccountType.CASH, [Money(10_000, USDT), Money(5, USD)], None)
    engine.add_actor(DashboardActor(feed, currency="USDT"))
    engine.run()
    settled(feed)
    portfolio = viewer.portfolio()
    (dollars,) = portfolio["positions"]
    assert (dollars["symbol"], Decimal(dollars["quantity"]), dollars["value"]) == ("USD", 5, None)
    assert Decimal(portfolio["total_value"]) == Decimal(portfolio["cash"]) == 10_000


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
