"""What thinking cost: sums of the calls of models, by currency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any


def cost_of(usage: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The sums over entries of `usage`.

    Returns:
        `totals`: a cost for each currency; `calls`: how many calls of models there were;
        `unpriced_calls`: how many of them have a cost that nobody stated.
    """
    totals: dict[str, Decimal] = {}
    calls = unpriced = 0
    for entry in usage:
        number = entry.get("calls") or 1
        calls += number
        cost, currency = entry.get("cost"), entry.get("currency")
        if cost is None or currency is None:
            unpriced += number
        else:
            totals[currency] = totals.get(currency, Decimal(0)) + cost
    return {
        "totals": [{"currency": name, "cost": totals[name]} for name in sorted(totals)],
        "calls": calls,
        "unpriced_calls": unpriced,
    }
