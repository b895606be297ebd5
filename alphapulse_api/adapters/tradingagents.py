"""TradingAgents (TauricResearch): the final state of its graph as a decision.

    final_state, rating = ta.propagate("NVDA", "2026-01-15")
    feed.record_decision(tradingagents.decision(final_state))

The portfolio manager decides; the reports, the debate and the trader's plan become signals with
their texts. The functions take the state and do not import the package, which is not on PyPI.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from alphapulse_api.adapters.records import identifier, without_none

MANAGER: Final = "portfolio-manager"
MAX_TEXT: Final = 60_000  # bytes, of the 64 KiB that a text may have
CUT: Final = "\n\n[cut]"
# By the key of the state: the agent that wrote the report.
_REPORTS: Final = {
    "market_report": "market-analyst",
    "sentiment_report": "sentiment-analyst",
    "news_report": "news-analyst",
    "fundamentals_report": "fundamentals-analyst",
}
# By the debate and its key: the agent, and the side that it argues for.
_DEBATES: Final = {
    ("investment_debate_state", "bull_history"): ("bull-researcher", "buy"),
    ("investment_debate_state", "bear_history"): ("bear-researcher", "sell"),
    ("risk_debate_state", "aggressive_history"): ("aggressive-analyst", None),
    ("risk_debate_state", "conservative_history"): ("conservative-analyst", None),
    ("risk_debate_state", "neutral_history"): ("neutral-analyst", None),
}
# By the words of its ratings: the rating, the direction and the conviction that they mean.
_RATINGS: Final = {
    "buy": ("strong_buy", "buy", 1.0),
    "overweight": ("buy", "buy", 0.5),
    "hold": ("hold", "hold", 0.0),
    "underweight": ("sell", "sell", -0.5),
    "sell": ("strong_sell", "sell", -1.0),
}
_HEADING: Final = r"\*\*{}\*\*:\s*([^\n*]+)"
_NUMBER: Final = re.compile(r"-?[0-9][0-9,]*(?:\.[0-9]+)?")


def decision(
    final_state: Mapping[str, Any],
    *,
    run: str = "1",
    book: str | None = None,
    usage: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """A run as a decision with its signals.

    Args:
        final_state: the first value that `propagate` returns.
        run: tells several runs of a ticker and a date apart; the same run again changes nothing,
            if it is recorded with the same time.
        book: of the decision.
        usage: what the calls of models took, such as `UsageMeter.take` returns it.

    Raises:
        ValueError: if the manager's decision has no rating.
    """
    text = final_state["final_trade_decision"]
    rating = _rating(text, "Rating")
    if rating is None:
        raise ValueError("final_trade_decision has no rating: is the graph at its end?")
    symbol = final_state["company_of_interest"]
    cycle_id = identifier("tradingagents", symbol, final_state["trade_date"], run)
    return without_none(
        {
            "id": cycle_id,
            "book": book,
            "agent_id": MANAGER,
            "cycle_id": cycle_id,
            "outcome": "no_trade" if rating[1] == "hold" else None,
            "reasoning": _short(text),
            "signals": [
                without_none({**signal, "symbol": symbol, "cycle_id": cycle_id})
                for signal in _signals(final_state, cycle_id)
            ],
            "usage": usage,
            "metadata": without_none(
                {
                    "trade_date": str(final_state["trade_date"]),
                    "asset_type": final_state.get("asset_type"),
                    "price_target": _stated(text, "Price Target"),
                    "time_horizon": _stated(text, "Time Horizon"),
                }
            ),
        }
    )


def _signals(state: Mapping[str, Any], cycle_id: str) -> Iterator[dict[str, Any]]:
    for key, agent_id in _REPORTS.items():
        if text := state.get(key):
            yield _abstaining(cycle_id, agent_id, text, "a report that advises nothing")
    for (debate, key), (agent_id, direction) in _DEBATES.items():
        text = (state.get(debate) or {}).get(key)
        if text and direction is None:
            yield _abstaining(cycle_id, agent_id, text, "an argument about risk")
        elif text:
            yield {
                "id": identifier(cycle_id, agent_id), "agent_id": agent_id, "direction": direction,
                "thesis": _short(text), "reason": "argues for its side, whatever it thinks",
            }  # fmt: skip
    for key, agent_id, heading in (
        ("investment_plan", "research-manager", "Recommendation"),
        ("trader_investment_plan", "trader", "Action"),
        ("final_trade_decision", MANAGER, "Rating"),
    ):
        text = state.get(key)
        if text and (rating := _rating(text, heading)) is not None:
            word, direction, conviction = rating
            yield {
                "id": identifier(cycle_id, agent_id), "agent_id": agent_id, "direction": direction,
                "rating": word, "conviction": conviction, "thesis": _short(text),
                "entry_price": _price(text, "Entry Price"),
                "stop_loss": _price(text, "Stop Loss"),
                "target_price": _price(text, "Price Target"),
            }  # fmt: skip


def _abstaining(cycle_id: str, agent_id: str, text: str, reason: str) -> dict[str, Any]:
    return {
        "id": identifier(cycle_id, agent_id), "agent_id": agent_id, "abstained": True,
        "reason": reason, "thesis": _short(text),
    }  # fmt: skip


def _rating(text: str, heading: str) -> tuple[str, str, float] | None:
    stated = _stated(text, heading)
    return None if stated is None else _RATINGS.get(stated.lower())


def _stated(text: str, heading: str) -> str | None:
    """What stands behind a heading, on its line."""
    match = re.search(_HEADING.format(heading), text)
    return None if match is None else match[1].strip()


def _price(text: str, heading: str) -> str | None:
    match = _NUMBER.search(_stated(text, heading) or "")
    return None if match is None else match[0].replace(",", "")


def _short(text: str) -> str:
    """The text, cut to the length that a text may have."""
    data = text.encode()
    if len(data) <= MAX_TEXT:
        return text
    return data[:MAX_TEXT].decode(errors="ignore") + CUT
