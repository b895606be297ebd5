"""Lines for libraries in docs/embedding.md, run as they stand: those of ccxt."""

from __future__ import annotations

from typing import Any

import ccxt as library
import pytest

from alphapulse_api.adapters import ccxt
from alphapulse_api.embed.feed import HostFeed
from tests.adapters.hosts import EVERY_SINK
from tests.adapters.test_ccxt import balance, binance, fill, order
from tests.adapters.viewer import Viewer
from tests.documented import GENERAL, LINES

__all__ = ["binance"]  # a fixture

CCXT = {name: line for name, line in LINES.items() if name.startswith("ccxt, ")}


@pytest.mark.parametrize("line", CCXT.values(), ids=CCXT.keys())
def test_a_line_of_the_table(
    line: str,
    binance: library.Exchange,
    feed: HostFeed,
    viewer: Viewer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = {
        "fetch_orders": [order(binance)],
        "fetch_my_trades": [fill(binance)],
        "fetch_balance": balance(binance),
        "fetch_tickers": {"BTC/USDT": {"last": 60000.0}},
        "fetch_positions": [],
    }
    for name, answer in answers.items():
        monkeypatch.setattr(binance, name, lambda *_, answer=answer: answer)
    exec(line, {"feed": feed, "ccxt": ccxt, "exchange": binance})
    if "portfolio" in line:
        assert viewer.portfolio()["cash"] == "1000.5"
    else:
        assert len(viewer.trades()) == 1


@EVERY_SINK
def test_every_feed_takes_what_ccxt_gives(
    sink: Any, viewer: Viewer, binance: library.Exchange
) -> None:
    sink.record_trades(ccxt.trades(binance, [fill(binance)]))
    sink.update_portfolio(ccxt.portfolio(balance(binance)))
    assert len(viewer.trades()) == 1
    assert viewer.portfolio()["cash"] == "1000.5"


def test_every_line_of_the_table_is_run() -> None:
    assert len(CCXT) == 4
    assert LINES.keys() - CCXT.keys() - GENERAL == {
        "nautilus_trader, a `BacktestEngine`", "nautilus_trader, a `TradingNode`", "backtrader",
        "backtesting.py, a run", "vectorbt, a portfolio", "metrics of prometheus_client",
        "records of logging", "ai-hedge-fund, a paper fund", "ai-hedge-fund, a backtest",
        "TradingAgents", "LangChain or LangGraph",
    }  # fmt: skip
