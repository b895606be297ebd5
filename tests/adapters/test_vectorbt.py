"""Portfolios of vectorbt, compared with its own records."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
import vectorbt as library

from alphapulse_api.adapters import vectorbt
from alphapulse_api.embed.feed import HostFeed
from tests.adapters.hosts import EVERY_HOST
from tests.adapters.viewer import Viewer
from tests.documented import LINES

DAYS = pd.date_range("2020-01-01", periods=200)
SWING = np.sin(np.arange(200) / 8)
CLOSES = pd.DataFrame({"BTC": 100 + 10 * SWING, "ETH": 50 - 5 * SWING}, index=DAYS)


def portfolio(close: Any, **options: Any) -> Any:
    """Long while the price is above its average, short below it."""
    mean = close.rolling(10).mean()
    up = (close > mean) & (close.shift() <= mean.shift())
    down = (close < mean) & (close.shift() >= mean.shift())
    return library.Portfolio.from_signals(
        close, up, down, direction="both", fees=0.001, init_cash=1000, **options
    )


@EVERY_HOST
def test_a_portfolio_is_what_its_records_say(feed: HostFeed, viewer: Viewer) -> None:
    ours = portfolio(CLOSES["BTC"])
    exec(LINES["vectorbt, a portfolio"], {"feed": feed, "vectorbt": vectorbt, "portfolio": ours})

    orders = ours.orders.records_readable
    stored = {trade["id"]: trade for trade in viewer.trades()}
    assert len(stored) == len(orders) > 4
    for row in orders.to_dict("records"):
        trade = stored[f"ma-10-50:BTC:{row['Order Id']}"]
        assert (trade["symbol"], trade["side"]) == ("BTC", row["Side"].lower())
        assert Decimal(trade["quantity"]) == Decimal(str(row["Size"]))
        assert (float(trade["price"]), float(trade["fee"])) == (row["Price"], row["Fees"])
        assert trade["executed_at"] == f"{row['Timestamp']:%Y-%m-%dT%H:%M:%S}.000000Z"

    history = pd.DataFrame(viewer.history()["history"])
    curves = {
        "total_value": ours.value(),
        "cash": ours.cash(),
        "positions_value": ours.asset_value(),
    }
    for name, values in curves.items():
        assert list(history[name].astype(float)) == list(values)


def test_the_same_portfolio_again_changes_nothing(feed: HostFeed) -> None:
    first = feed.import_history(**vectorbt.history(portfolio(CLOSES["BTC"]), run="ma"))
    again = feed.import_history(**vectorbt.history(portfolio(CLOSES["BTC"]), run="ma"))
    assert min(first) > 0
    assert again == (0, 0)


def test_columns_that_share_their_cash_are_one_portfolio(feed: HostFeed, viewer: Viewer) -> None:
    both = portfolio(CLOSES, group_by=True, cash_sharing=True)
    feed.import_history(**vectorbt.history(both, run="both"))
    orders = both.orders.records_readable
    assert {trade["symbol"] for trade in viewer.trades()} == set(orders["Column"])
    assert len(viewer.trades()) == len(orders)
    assert float(viewer.portfolio()["total_value"]) == both.value().iloc[-1]


def test_of_several_portfolios_one_is_to_be_chosen() -> None:
    several = portfolio(CLOSES)
    with pytest.raises(ValueError, match=r"This is 2 portfolios: choose one, such as .*\['BTC'\]"):
        vectorbt.history(several, run="ma")
    assert vectorbt.trades(several["ETH"], run="ma")[0]["symbol"] == "ETH"


def test_a_column_of_several_levels_names_its_symbol() -> None:
    close = CLOSES[["BTC"]]
    close.columns = pd.MultiIndex.from_tuples([("BTC", 10)], names=["symbol", "window"])
    (first, *_) = vectorbt.trades(portfolio(close)["BTC", 10], run="ma")
    assert (first["id"], first["symbol"]) == ("ma:BTC:10:0", "BTC")


def test_a_column_without_a_symbol_wants_one() -> None:
    nameless = portfolio(CLOSES["BTC"].rename(None))
    with pytest.raises(ValueError, match="does not name a symbol: give it as symbol="):
        vectorbt.history(nameless, run="ma")
    assert vectorbt.trades(nameless, run="ma", symbol="BTC")[0]["symbol"] == "BTC"
