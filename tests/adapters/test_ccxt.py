"""Binance's and Kraken's answers, parsed by the real ccxt and recorded as ccxt gives them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ccxt as library
import pytest

from alphapulse_api.adapters import ccxt
from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.adapters.viewer import Viewer

AT = 1_700_000_000_000  # 2023-11-14T22:13:20Z, in milliseconds


def market(id_: str, symbol: str, **more: Any) -> dict[str, Any]:
    """A market as `load_markets` would make it: no test needs the network."""
    pair, _, settle = symbol.partition(":")
    base, quote = pair.split("/")
    contract = bool(settle)
    return {
        "id": id_, "symbol": symbol, "base": base, "quote": quote, "settle": settle or None,
        "baseId": base, "quoteId": quote, "settleId": settle or None,
        "type": "swap" if contract else "spot", "spot": not contract, "margin": False,
        "swap": contract, "future": False, "option": False, "active": True, "contract": contract,
        "linear": contract or None, "inverse": False if contract else None,
        "contractSize": 1.0 if contract else None, "limits": {}, "info": {},
        "precision": {"amount": 1e-8, "price": 0.01}, **more,
    }  # fmt: skip


@pytest.fixture
def binance() -> library.Exchange:
    exchange = library.binance()
    exchange.set_markets([market("BTCUSDT", "BTC/USDT"), market("BTCUSDT", "BTC/USDT:USDT")])
    return exchange


def order(binance: library.Exchange, **state: Any) -> dict[str, Any]:
    """An order of 1 BTC, as Binance answers and ccxt parses it."""
    raw = {
        "symbol": "BTCUSDT", "orderId": 28, "clientOrderId": "mine-1", "price": "60000.00",
        "origQty": "1.00000000", "executedQty": "0.00000000", "cummulativeQuoteQty": "0.00000000",
        "status": "NEW", "timeInForce": "GTC", "type": "LIMIT", "side": "SELL", "time": AT,
        "updateTime": AT, **state,
    }  # fmt: skip
    parsed: dict[str, Any] = binance.parse_order(raw, binance.market("BTC/USDT"))
    return parsed


def fill(binance: library.Exchange, **more: Any) -> dict[str, Any]:
    raw = {
        "symbol": "BTCUSDT", "id": 28457, "orderId": 28, "price": "60000.01", "qty": "0.40000000",
        "quoteQty": "24000.00400000", "commission": "0.00100000", "commissionAsset": "BNB",
        "time": AT, "isBuyer": False, "isMaker": True, **more,
    }  # fmt: skip
    parsed: dict[str, Any] = binance.parse_trade(raw, binance.market("BTC/USDT"))
    return parsed


def test_trades_are_recorded_once_under_an_id_of_venue_symbol_and_id(
    binance: library.Exchange, feed: ThreadFeed, viewer: Viewer
) -> None:
    rows = [fill(binance), fill(binance, id=28458, isMaker=False)]
    feed.record_trades(ccxt.trades(binance, rows, strategy="grid"))
    feed.record_trades(ccxt.trades("binance", rows, strategy="grid"))
    stored = {row["id"]: row for row in viewer.trades()}
    assert set(stored) == {"binance:BTC-USDT:28457", "binance:BTC-USDT:28458"}
    trade = stored["binance:BTC-USDT:28457"]
    assert trade["symbol"] == "BTC/USDT"
    assert (trade["side"], trade["quantity"], trade["price"]) == ("sell", "0.4", "60000.01")
    assert (trade["value"], trade["fee"], trade["fee_currency"]) == ("24000.004", "0.001", "BNB")
    assert (trade["order_id"], trade["strategy"]) == ("28", "grid")
    assert trade["executed_at"] == "2023-11-14T22:13:20.000000Z"
    assert trade["metadata"] == {"venue": "binance", "liquidity": "maker"}


def test_the_same_id_of_another_symbol_is_another_trade(
    binance: library.Exchange, feed: ThreadFeed
) -> None:
    other = {**fill(binance), "symbol": "ETH/USDT"}
    first, second = feed.record_trades(ccxt.trades(binance, [fill(binance), other]))
    assert first["id"] != second["id"]


def test_an_order_lives_from_the_book_to_its_fill(
    binance: library.Exchange, feed: ThreadFeed, viewer: Viewer
) -> None:
    part = {"executedQty": "0.40000000", "cummulativeQuoteQty": "24000.00400000"}
    done = {"executedQty": "1.00000000", "cummulativeQuoteQty": "60000.01000000"}
    states = [
        order(binance),
        order(binance),
        order(binance, status="PARTIALLY_FILLED", updateTime=AT + 1000, **part),
        order(binance, status="FILLED", updateTime=AT + 2000, **done),
        order(binance, status="FILLED", updateTime=AT + 2000, **done),
    ]
    for state in states:
        result = feed.record_trades_batch(ccxt.orders(binance, [state]), on_error="continue")
        assert result["refused"] == 0, result
    (trade,) = viewer.trades()
    assert trade["id"] == "binance:BTC-USDT:order:28"
    assert (trade["order_id"], trade["client_order_id"]) == ("28", "mine-1")
    assert (trade["order_type"], trade["status"]) == ("limit", "filled")
    assert Decimal(trade["filled_quantity"]) == 1
    assert trade["price"] == "60000.01"
    assert trade["metadata"] == {
        "venue": "binance", "limit_price": 60000.0, "time_in_force": "GTC", "post_only": False,
    }  # fmt: skip
    assert [state["status"] for state in viewer.trade(trade["id"])["history"]] == [
        "open", "partially_filled", "filled",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "filled", "expected"),
    [
        ("NEW", "0", "open"),
        ("PARTIALLY_FILLED", "0.25", "partially_filled"),
        ("FILLED", "1", "filled"),
        ("CANCELED", "0", "cancelled"),
        ("CANCELED", "0.25", "cancelled"),
        ("PENDING_CANCEL", "0", "open"),
        ("REJECTED", "0", "rejected"),
        ("EXPIRED", "0", "expired"),
        ("EXPIRED_IN_MATCH", "0", "expired"),
    ],
)
def test_each_state_of_the_venue_has_a_name(
    binance: library.Exchange,
    feed: ThreadFeed,
    viewer: Viewer,
    status: str,
    filled: str,
    expected: str,
) -> None:
    quote = str(60000 * float(filled))
    state = order(binance, status=status, executedQty=filled, cummulativeQuoteQty=quote)
    feed.record_trades(ccxt.orders(binance, [state]))
    (trade,) = viewer.trades()
    assert (trade["status"], Decimal(trade["filled_quantity"])) == (expected, Decimal(filled))


def test_an_answer_with_no_more_than_an_id_costs_no_other(
    binance: library.Exchange, feed: ThreadFeed
) -> None:
    bare = binance.parse_order({"symbol": "BTCUSDT", "orderId": 29}, binance.market("BTC/USDT"))
    rows = ccxt.orders(binance, [bare, order(binance)])
    result = feed.record_trades_batch(rows, on_error="continue")
    assert (result["accepted"], result["refused"]) == (1, 1)


def test_a_kraken_order_with_its_fee(feed: ThreadFeed, viewer: Viewer) -> None:
    kraken = library.kraken()
    kraken.set_markets([market("XXBTZUSD", "BTC/USD")])
    raw = {
        "id": "O7IQYI-JZBHS-HJXT6L", "status": "closed", "opentm": 1700000000.1,
        "oflags": "fciq", "vol": "0.5", "vol_exec": "0.5", "cost": "18500.0", "fee": "48.1",
        "price": "37000.0", "descr": {"pair": "XXBTZUSD", "type": "buy", "ordertype": "stop-loss"},
    }  # fmt: skip
    parsed = kraken.parse_order(raw, kraken.market("BTC/USD"))
    feed.record_trades(ccxt.orders(kraken, [parsed]))
    (trade,) = viewer.trades()
    assert trade["id"] == "kraken:BTC-USD:order:O7IQYI-JZBHS-HJXT6L"
    assert (trade["order_type"], trade["status"], trade["value"]) == (
        "market",
        "filled",
        "18500.0",
    )
    assert (trade["fee"], trade["fee_currency"]) == ("48.1", "USD")


def test_fees_in_two_currencies_are_listed(
    binance: library.Exchange, feed: ThreadFeed, viewer: Viewer
) -> None:
    fees = [{"currency": "BNB", "cost": 0.001}, {"currency": "USDT", "cost": "0.50"}]
    row = {**fill(binance), "fee": None, "fees": fees}
    feed.record_trades(ccxt.trades(binance, [row]))
    (trade,) = viewer.trades()
    assert trade["fees"] == [
        {"currency": "BNB", "amount": "0.001"},
        {"currency": "USDT", "amount": "0.50"},
    ]
    assert trade["fee"] is None


def balance(binance: library.Exchange) -> dict[str, Any]:
    raw = {
        "balances": [
            {"asset": "BTC", "free": "0.5", "locked": "0.1"},
            {"asset": "USDT", "free": "1000.5", "locked": "0"},
            {"asset": "GIFT", "free": "7", "locked": "0"},
            {"asset": "ETH", "free": "0", "locked": "0"},
        ],
        "updateTime": AT,
    }
    parsed: dict[str, Any] = binance.parse_balance_custom(raw, "spot")
    return parsed


@pytest.mark.parametrize("prices", [{"BTC/USDT": {"last": 60000.0}}, {"BTC": "60000"}])
def test_a_balance_is_a_portfolio(
    binance: library.Exchange,
    feed: ThreadFeed,
    viewer: Viewer,
    prices: dict[str, Any],
) -> None:
    feed.update_portfolio(ccxt.portfolio(balance(binance), prices=prices))
    portfolio = viewer.portfolio()
    assert Decimal(portfolio["total_value"]) == Decimal("37000.5")
    assert portfolio["cash"] == "1000.5"
    assert portfolio["currency"] == "USDT"
    assert portfolio["as_of"] == "2023-11-14T22:13:20.000000Z"
    bitcoin, gift = portfolio["positions"]
    assert (bitcoin["symbol"], bitcoin["quantity"]) == ("BTC", "0.6")
    assert Decimal(bitcoin["value"]) == 36_000
    assert (gift["symbol"], Decimal(gift["quantity"]), gift["value"]) == ("GIFT", 7, None)


def test_contracts_add_their_unrealised_profit(
    binance: library.Exchange, feed: ThreadFeed, viewer: Viewer
) -> None:
    raw = {
        "symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-0.100", "adl": 1,
        "entryPrice": "60000.0", "markPrice": "59000.0", "unRealizedProfit": "100.0",
        "notional": "-5900", "marginAsset": "USDT", "initialMargin": "0", "maintMargin": "0",
        "positionInitialMargin": "0", "isolatedMargin": "0", "isolatedWallet": "0",
        "liquidationPrice": "0", "updateTime": AT,
    }  # fmt: skip
    swap = binance.market("BTC/USDT:USDT")
    short = binance.parse_position_risk(raw, swap)
    flat = binance.parse_position_risk({**raw, "positionAmt": "0", "unRealizedProfit": "0"}, swap)
    wallet = {"total": {"USDT": 1000.5}, "timestamp": AT}
    feed.update_portfolio(ccxt.portfolio(wallet, [short, flat]))
    portfolio = viewer.portfolio()
    assert (portfolio["total_value"], portfolio["cash"]) == ("1100.5", "1000.5")
    (position,) = portfolio["positions"]
    assert (position["symbol"], position["side"]) == ("BTC/USDT:USDT", "short")
    assert Decimal(position["quantity"]) == Decimal("0.1")
    assert Decimal(position["value"]) == -5900
    assert Decimal(position["unrealized_pnl"]) == 100
    assert ccxt.portfolio(wallet, [short], total_value="1100")["total_value"] == "1100"
