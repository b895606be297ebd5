"""Imported histories: their records are stored, but not published, evaluated or notified.

Each function stores one batch of the lines of a body; subscribers read again after the last batch.
"""

from __future__ import annotations

from typing import Any

from alphapulse_api.http.route import Call


async def import_metrics(call: Call, points: list[Any], last: bool) -> int:
    """Import metric points of the past, each with its timestamp."""
    return await call.view.feed.import_metrics(points, last=last)


async def import_trades(call: Call, trades: list[Any], last: bool) -> int:
    """Import trades of the past, each with its executed_at."""
    return await call.view.feed.import_trades(trades, last=last)


async def import_alerts(call: Call, alerts: list[Any], last: bool) -> int:
    """Import alerts of the past, each with its created_at, in the states they were left in."""
    return await call.view.feed.import_alerts(alerts, last=last)


async def import_signals(call: Call, signals: list[Any], last: bool) -> int:
    """Import signals of an agent's past, each with its timestamp."""
    return await call.view.feed.import_signals(call.path["id"], signals, last=last)


async def import_portfolio_history(call: Call, points: list[Any], last: bool) -> int:
    """Import the past of the portfolio: its value over time."""
    return await call.view.feed.import_equity(points, last=last, **call.query)


async def import_system(call: Call, samples: list[Any], last: bool) -> int:
    """Import system samples of the past, each with its timestamp."""
    return await call.view.feed.import_system(samples, last=last)


async def import_decisions(call: Call, decisions: list[Any], last: bool) -> int:
    """Import decisions of the past, each with its made_at."""
    return await call.view.feed.import_decisions(decisions, last=last)
