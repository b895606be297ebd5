"""What thinking cost: calls of models, recorded and summed."""

from __future__ import annotations

from typing import Any

from alphapulse_api.http.route import Call


async def list_usage(call: Call) -> Any:
    """Calls of models by agent, model, book, day or decision.

    The sums are those of signals, decisions, reported usage and spans of traces. There is a row for
    each group and currency; calls whose cost nobody knows are a row without a currency.
    """
    return await call.view.usage.get_usage(**call.query)


async def record_usage(call: Call) -> Any:
    """Record calls of a model that no signal and no decision states."""
    return await call.view.feed.record_usage(call.body)


async def record_batch(call: Call) -> Any:
    """Record up to 10000 such calls, and report the result of each."""
    return await call.view.feed.record_usage_batch(call.body, **call.query)
