"""States of the shape that TradingAgents 0.3 returns; the package is not on PyPI."""

from __future__ import annotations

from typing import Any

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.adapters import tradingagents
from alphapulse_api.domain.books import HOME
from tests.conftest import Server
from tests.documented import LINES

pytestmark = pytest.mark.adapters


def final_state(**changes: Any) -> dict[str, Any]:
    """What `propagate` returns first: texts in Markdown under the headings of its schemas."""
    return {
        "messages": [],
        "company_of_interest": "NVDA",
        "asset_type": "stock",
        "trade_date": "2026-01-15",
        "market_report": "The 50-day average rises.",
        "sentiment_report": "",
        "news_report": "A new chip.",
        "fundamentals_report": "Margins of 70 %.",
        "investment_debate_state": {
            "bull_history": "Bull Analyst: demand.", "bear_history": "Bear Analyst: valuation.",
            "history": "", "current_response": "", "judge_decision": "", "count": 2,
        },
        "investment_plan": "**Recommendation**: Overweight\n\n**Rationale**: Demand wins.",
        "trader_investment_plan": (
            "**Action**: Buy\n\n**Reasoning**: Momentum.\n\n**Entry Price**: 1,189.5\n\n"
            "**Stop Loss**: 1100.0\n\nFINAL TRANSACTION PROPOSAL: **BUY**"
        ),
        "risk_debate_state": {
            "aggressive_history": "Go.", "conservative_history": "Wait.", "neutral_history": "",
            "history": "", "latest_speaker": "", "judge_decision": "", "count": 2,
        },
        "final_trade_decision": (
            "**Rating**: Overweight\n\n**Executive Summary**: Enter in parts.\n\n"
            "**Investment Thesis**: Demand outlasts supply.\n\n**Price Target**: 1400.0\n\n"
            "**Time Horizon**: 3-6 months"
        ),
        **changes,
    }  # fmt: skip


async def test_a_run_is_a_decision_with_the_signals_that_led_to_it(server: Server) -> None:
    usage = [{"model": "gpt-5", "input_tokens": 10}]
    given = tradingagents.decision(final_state(), usage=usage)
    stored = await server.feed.record_decision(given)
    assert stored["id"] == "tradingagents:NVDA:2026-01-15:1"
    assert stored["usage"] == usage
    whole = await server.backend.accessors.of(HOME).decisions.get_decision(
        stored["id"], ("signals",)
    )
    assert whole["reasoning"].startswith("**Rating**: Overweight")
    signals = {signal["agent_id"]: signal for signal in whole["signals"]}
    assert len(signals) == 10
    manager = signals["portfolio-manager"]
    assert (manager["rating"], manager["direction"], manager["conviction"]) == ("buy", "buy", 0.5)
    assert str(manager["target_price"]) == "1400.0"
    trader = signals["trader"]
    assert (str(trader["entry_price"]), str(trader["stop_loss"])) == ("1189.5", "1100.0")
    assert trader["rating"] == "strong_buy"
    assert signals["market-analyst"]["abstained"]
    assert signals["bear-researcher"]["direction"] == "sell"
    assert whole["missing"] == []


async def test_the_line_of_the_table(config: Config) -> None:
    known = {"tradingagents": tradingagents, "final_state": final_state()}
    with Dashboard.in_thread(config) as feed:
        exec(LINES["TradingAgents"], {**known, "feed": feed})
        assert feed.stats().stored == 1


def test_a_hold_is_no_trade() -> None:
    held = tradingagents.decision(final_state(final_trade_decision="**Rating**: Hold"), run="2")
    assert held["outcome"] == "no_trade"
    assert held["id"].endswith(":2")


@pytest.mark.parametrize("text", ["", "I would buy.", "**Rating**: Maybe"])
def test_a_state_without_a_rating_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="has no rating"):
        tradingagents.decision(final_state(final_trade_decision=text))


async def test_long_texts_are_cut_and_say_so(server: Server) -> None:
    given = tradingagents.decision(final_state(market_report="ä" * 100_000))
    stored = await server.feed.record_decision(given)
    (report,) = [one for one in given["signals"] if one["agent_id"] == "market-analyst"]
    assert report["thesis"].endswith("[cut]")
    assert stored["signal_ids"]
