"""Decisions: listed, shown with what led to them, and recorded."""

from __future__ import annotations

from typing import Any

from alphapulse_api.http.route import Call

TRADES, PROFIT = "trades", "profit"  # that a decision may be shown with


async def list_decisions(call: Call) -> Any:
    """Decisions, newest first."""
    return await call.view.decisions.get_decisions(**call.query)


async def export_decisions(call: Call) -> Any:
    """Every decision that matches, with its reasoning, newest first, as a file."""
    return await call.view.decisions.get_decisions(**call.query, in_full=True)


async def get_decision(call: Call) -> Any:
    """One decision with its reasoning and, if asked for, its signals, trades, cost and profit."""
    asked = set(call.query.get("expand", ()))
    read = asked - {PROFIT} | ({TRADES} if PROFIT in asked else set())
    decision = await call.view.decisions.get_decision(call.path["id"], read)
    if PROFIT in asked:
        profits = [(t["id"], await call.view.profit.get_trade_profit(t)) for t in decision[TRADES]]
        decision["profits"] = [{"trade_id": id_, **profit} for id_, profit in profits if profit]
    if TRADES not in asked:
        decision.pop(TRADES, None)
    return decision


async def explain_trade(call: Call) -> Any:
    """One trade with its reasons: decision, signals, cost, position and profit.

    Links that lead nowhere are named in `missing`.
    """
    chain = await call.view.decisions.explain_trade(call.path["id"])
    return {**chain, "profit": await call.view.profit.get_trade_profit(chain["trade"])}


async def record_decision(call: Call) -> Any:
    """Record a decision, and the signals and trades in it.

    They are stored together or not at all. The signals that it names may come before or after it.
    """
    return await call.view.feed.record_decision(call.body)


async def record_batch(call: Call) -> Any:
    """Record up to 10000 decisions, and report the result of each."""
    return await call.view.feed.record_decisions_batch(call.body, **call.query)
