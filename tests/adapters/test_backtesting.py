"""Runs of backtesting.py on its own data, compared with its results."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from backtesting import Backtest, Strategy
from backtesting.lib import crossover
from backtesting.test import GOOG, SMA

from alphapulse_api import Config, Dashboard
from alphapulse_api.adapters import backtesting
from alphapulse_api.client import SyncDashboardClient
from alphapulse_api.embed.feed import HostFeed
from tests.adapters.hosts import EVERY_HOST
from tests.adapters.viewer import Viewer
from tests.documented import LINES


class Crossing(Strategy):  # type: ignore[misc]
    """Long while the fast average is above the slow one, short below it."""

    def init(self) -> None:
        self.fast = self.I(SMA, self.data.Close, 10)
        self.slow = self.I(SMA, self.data.Close, 30)

    def next(self) -> None:
        if crossover(self.fast, self.slow):
            self.position.close()
            self.buy(tag="up")
        elif crossover(self.slow, self.fast):
            self.position.close()
            self.sell()


def run(data: Any) -> Any:
    return Backtest(data, Crossing, cash=100_000, commission=0.002, finalize_trades=True).run()


@pytest.fixture(scope="module")
def stats() -> Any:
    return run(GOOG.iloc[:400])


@EVERY_HOST
def test_a_run_is_what_its_results_say(stats: Any, feed: HostFeed, viewer: Viewer) -> None:
    exec(LINES["backtesting.py, a run"], {"feed": feed, "backtesting": backtesting, "stats": stats})

    stored = {trade["id"]: trade for trade in viewer.trades()}
    assert len(stored) == 2 * stats["# Trades"] > 4
    for number, row in enumerate(stats["_trades"].to_dict("records")):
        entry = stored[f"sma-1:GOOG:{number}:entry"]
        exit_ = stored[f"sma-1:GOOG:{number}:exit"]
        sides = ("buy", "sell") if row["Size"] > 0 else ("sell", "buy")
        assert (entry["side"], exit_["side"]) == sides
        assert Decimal(entry["quantity"]) == Decimal(exit_["quantity"]) == abs(row["Size"])
        assert float(entry["price"]) == row["EntryPrice"]
        assert float(exit_["price"]) == row["ExitPrice"]
        assert float(exit_["fee"]) == row["Commission"]
        assert exit_["metadata"]["profit"] == row["PnL"]
        assert exit_["metadata"].get("tag") == row["Tag"]
        assert entry["executed_at"][:10] == str(row["EntryTime"])[:10]
        assert exit_["executed_at"][:10] == str(row["ExitTime"])[:10]
        assert entry["strategy"] == "Crossing"

    portfolio = viewer.history()
    equity = stats["_equity_curve"]["Equity"]
    assert [float(point["total_value"]) for point in portfolio["history"]] == list(equity)
    assert float(portfolio["total_value"]) == stats["Equity Final [$]"]


def test_the_same_run_again_changes_nothing(stats: Any, feed: HostFeed) -> None:
    first = feed.import_history(**backtesting.history(stats, "GOOG", run="sma-1"))
    assert first == (400, 2 * stats["# Trades"])
    again = run(GOOG.iloc[:400])
    assert feed.import_history(**backtesting.history(again, "GOOG", run="sma-1")) == (0, 0)


def test_another_run_has_trades_of_its_own(stats: Any, feed: HostFeed) -> None:
    first, second = (backtesting.trades(stats, "GOOG", run=name) for name in ("sma-1", "sma-2"))
    assert feed.import_history(trades=first).trades == feed.import_history(trades=second).trades


async def test_a_dashboard_in_the_loop_imports_the_same(stats: Any, config: Config) -> None:
    async with Dashboard(config) as dashboard:
        history = backtesting.history(stats, "GOOG", run="sma-1")
        assert await dashboard.feed.import_history(**history) == (400, 2 * stats["# Trades"])


def test_a_client_records_the_trades(
    stats: Any, client: SyncDashboardClient, viewer: Viewer
) -> None:
    client.record_trades(backtesting.trades(stats, "GOOG", run="sma-1"))
    assert len(viewer.trades()) == 2 * stats["# Trades"]


def test_times_with_a_zone_stay_what_they_are(feed: HostFeed, viewer: Viewer) -> None:
    stats = run(GOOG.iloc[:400].tz_localize("America/New_York"))
    feed.import_history(**backtesting.history(stats, "GOOG", run="sma-1"))
    assert {trade["executed_at"][10:13] for trade in viewer.trades()} <= {"T04", "T05"}


@pytest.mark.filterwarnings("ignore:Data index is not datetime")
def test_data_without_times_are_refused_with_the_remedy() -> None:
    stats = run(GOOG.iloc[:400].reset_index(drop=True))
    with pytest.raises(ValueError, match="run it on data with a DatetimeIndex"):
        backtesting.history(stats, "GOOG", run="sma-1")
