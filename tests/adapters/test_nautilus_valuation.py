"""What accounts and positions of nautilus_trader are worth, by kind of account."""

from __future__ import annotations

from decimal import Decimal

from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.model import BarType, Money
from nautilus_trader.model.currencies import ETH, USD, USDT
from nautilus_trader.model.enums import AccountType, OmsType
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from alphapulse_api.adapters.nautilus_trader import DashboardActor
from alphapulse_api.embed.feed import HostFeed
from tests.adapters.nautilus import BARS, BINANCE, bars, crossing, engine, open_venue
from tests.adapters.viewer import Viewer
from tests.embedding import settled

__all__ = ["engine"]  # a fixture


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
