"""Cycles of the real ai-hedge-fund package, with a fake model and prices of a few days."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hedge_fund.backtesting.fund import backtest_fund
from hedge_fund.data.models import Price
from hedge_fund.features.snapshot import InsufficientData
from hedge_fund.fund import Fund, FundSpec, custom_strategy
from hedge_fund.llm import PromptCache
from hedge_fund.signals import ALPHA_MODEL_REGISTRY
from hedge_fund.signals.buffett import BuffettAgent
from hedge_fund.signals.munger import MungerAgent

from alphapulse_api import Config, Dashboard
from alphapulse_api.adapters import aihf
from tests.documented import LINES

pytestmark = pytest.mark.adapters

DAYS = [f"2026-03-{day:02}" for day in (2, 3, 4, 5, 6)]
PRICES = {"AAPL": 200.0, "KO": 60.0, "SPY": 500.0}


class Prices:
    """A data client of rising prices."""

    def get_prices(self, ticker: str, start_date: str, end_date: str, **_: Any) -> list[Price]:
        return [
            Price(
                **dict.fromkeys(("open", "high", "low", "close"), PRICES[ticker] + number),
                volume=1000, time=f"{day}T00:00:00Z",
            )
            for number, day in enumerate(DAYS)
            if start_date <= day <= end_date
        ]  # fmt: skip


class Model:
    """A language model that likes everything."""

    model = "fake-1"

    def complete(self, system: str, user: str) -> str:
        answer = {"signal": "bullish", "confidence": 80, "reasoning": f"A wide moat: {user}."}
        return json.dumps(answer)


class Snapshots:
    """Gives analysts something to read, but for KO, and a model to ask."""

    prompts: Path

    def __init__(self) -> None:
        super().__init__(llm=Model(), cache=PromptCache(self.prompts))  # type: ignore[call-arg]

    def build_snapshot(self, ticker: str, date: str, data_client: Any) -> Any:
        if ticker == "KO" and isinstance(self, MungerAgent):
            raise InsufficientData("no filings")
        return SimpleNamespace(content_hash=f"{ticker}@{date}", render=lambda blind: ticker)


class Buffett(Snapshots, BuffettAgent):
    """The package's own persona."""

    investment_approach = BuffettAgent.investment_approach


class Munger(Snapshots, MungerAgent):
    """Another."""

    investment_approach = MungerAgent.investment_approach


@pytest.fixture
def result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A backtest of four executed cycles, whose risk limit cuts both positions."""
    spec = FundSpec(
        schema_version=2, name="moats", strategies=[custom_strategy(["buffett", "munger"])],
        risk={"max_position_pct": 0.3, "max_gross_exposure": 1}, rebalance="daily",
    )  # fmt: skip
    monkeypatch.setattr(Snapshots, "prompts", tmp_path / "prompts", raising=False)
    for name, persona in {"buffett": Buffett, "munger": Munger}.items():
        monkeypatch.setitem(ALPHA_MODEL_REGISTRY, name, persona)
    return backtest_fund(Fund(spec), DAYS[0], DAYS[-1], Prices(), ["AAPL", "KO"])


def test_a_backtest_becomes_decisions_that_explain_its_fills(config: Config, result: Any) -> None:
    with Dashboard.in_thread(config) as feed:
        line = LINES["ai-hedge-fund, a backtest"]
        assert eval(line, {"aihf": aihf, "feed": feed, "result": result}) == len(result.cycles) == 4
        assert aihf.record_backtest(feed, result, book="moats-1") == 4  # changes nothing
        first = feed.record_decision(aihf.decision(result.cycles[0], book="moats-1"))
    cycle = result.cycles[0]
    assert first["outcome"] == "ordered"
    assert first["book"] == "moats-1"
    assert {row["name"] for row in first["constraints"]} == {"max_position_pct"}
    targets = {row["symbol"]: row for row in first["targets"]}
    assert targets["AAPL"]["weight_target"] == pytest.approx(0.3)
    assert targets["AAPL"]["quantity"] == cycle.fills[0].quantity
    assert len(first["signal_ids"]) == 4


def test_signals_keep_theses_and_tell_abstentions(result: Any) -> None:
    found = {(row["agent_id"], row["symbol"]): row for row in aihf.signals(result.cycles[0])}
    held = found["buffett", "AAPL"]
    assert (held["conviction"], held["confidence"], held["direction"]) == (0.8, 0.8, "buy")
    assert held["thesis"] == "A wide moat: AAPL."
    assert held["model"] == "fake-1"
    blind = found["munger", "KO"]
    assert blind["abstained"] is True
    assert "no filings" in blind["reason"]
    assert "thesis" not in blind


def test_fills_have_prices_and_the_whole_commission(result: Any) -> None:
    for cycle in result.cycles:
        trades = aihf.decision(cycle)["trades"]
        assert [(row["symbol"], row["side"], row["quantity"]) for row in trades] == [
            (fill.ticker, fill.side, fill.quantity) for fill in cycle.fills
        ]
        assert sum(row["fee"] for row in trades) == round(Decimal(str(cycle.commission)), 2)


class Runner:
    """Calls back as the package's `paper.runner` does: it would wait for the close of each day."""

    on_record: aihf.OnRecord

    def __init__(self, records: list[Any]) -> None:
        self._records = records

    def run(self, directory: str, client: Any, *, on_record: aihf.OnRecord) -> None:
        self.on_record = on_record
        for record in self._records:
            on_record(record)


def test_a_running_fund_is_recorded_session_by_session(config: Config, result: Any) -> None:
    waiting = list(aihf.signals(result.records[-1].decision))
    of_munger = [row for row in waiting if row["agent_id"] == "munger"]
    with Dashboard.in_thread(config) as feed:
        runner = Runner(result.records)
        known = {"aihf": aihf, "feed": feed, "runner": runner, "directory": "", "client": None}
        exec(LINES["ai-hedge-fund, a paper fund"], known)
        assert runner.on_record.failed == 0
        again = feed.record_signals_batch("munger", of_munger, on_error="continue")
    # Those of the last assessment, which waits for the next session, are there with other times.
    assert [row["status"] for row in again["results"]] == [409, 409]


def test_a_dashboard_that_is_closed_does_not_stop_the_fund(config: Config, result: Any) -> None:
    with Dashboard.in_thread(config) as feed:
        record = aihf.OnRecord(feed)
    record(result.records[1])
    assert record.failed > 0
