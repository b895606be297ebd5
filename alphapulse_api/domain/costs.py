"""What thinking cost: sums of the calls of models, by currency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from alphapulse_api.domain.pricing import cost_of_entry


def cost_of(usage: Iterable[tuple[Mapping[str, Any], datetime]]) -> dict[str, Any]:
    """The sums over entries of `usage`, each with the time of its calls.

    Returns:
        `totals`: a cost for each currency; `calls`: how many calls of models there were;
        `unpriced_calls`: how many of them have a cost that nobody knows.
    """
    totals: dict[str, Decimal] = {}
    calls = unpriced = 0
    for entry, at in usage:
        number = entry.get("calls") or 1
        calls += number
        cost = cost_of_entry(entry, at)
        if cost is None:
            unpriced += number
        else:
            totals[cost.currency] = totals.get(cost.currency, Decimal(0)) + cost.amount
    return {
        "totals": [{"currency": name, "cost": totals[name]} for name in sorted(totals)],
        "calls": calls,
        "unpriced_calls": unpriced,
    }
