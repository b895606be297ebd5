"""The lines of docs/adapters.md, run as they stand."""

from __future__ import annotations

import re

import ccxt as library
import pytest

from alphapulse_api.adapters import ccxt
from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.adapters.test_ccxt import balance, binance, fill, order
from tests.adapters.viewer import Viewer
from tests.commands import ROOT

__all__ = ["binance"]  # a fixture

PAGE = (ROOT / "docs/adapters.md").read_text(encoding="utf-8")
LINES = re.findall(r"^\| ccxt, ([^|]+) \| `(.+)` \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("line", [line for _, line in LINES], ids=[name for name, _ in LINES])
def test_a_line_of_the_table(
    line: str,
    binance: library.Exchange,
    feed: ThreadFeed,
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


def test_the_table_has_lines() -> None:
    assert len(LINES) == 4
