"""The fields of a position that follow from its other fields, in exact decimals."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from alphapulse_api.domain.decimals import EXACT

DERIVED: Final = frozenset({"value", "weight", "unrealized_pnl", "unrealized_pnl_pct"})


def valued(position: Mapping[str, Any], total_value: Decimal) -> dict[str, Any]:
    """A position with its derived fields filled in."""
    sign = -1 if position["side"] == "short" else 1
    quantity, price = position["quantity"], position.get("current_price")
    entry, value = position.get("entry_price"), position.get("value")
    if value is None and price is not None:
        value = _product(quantity, price, sign)
    weight = position.get("weight")
    if weight is None:
        weight = share(value, total_value)
    pnl, ratio = position.get("unrealized_pnl"), position.get("unrealized_pnl_pct")
    if entry is not None and price is not None:
        if pnl is None:
            pnl = _product(quantity, EXACT.subtract(price, entry), sign)
        if ratio is None and entry:
            # Divided by the magnitude of the entry, so that a gain is positive at negative prices.
            ratio = sign * float(EXACT.divide(EXACT.subtract(price, entry), entry.copy_abs())) + 0.0
    return {
        "symbol": position["symbol"],
        "side": position["side"],
        "quantity": quantity,
        "entry_price": entry,
        "current_price": price,
        "value": value,
        "unrealized_pnl": pnl,
        "unrealized_pnl_pct": ratio,
        "realized_pnl": position.get("realized_pnl"),
        "opened_at": position.get("opened_at"),
        "weight": weight,
    }


def share(value: Decimal | None, total_value: Decimal) -> float | None:
    """The weight of a position with that value: its share of the total."""
    if value is None or not total_value:
        return None
    return float(EXACT.divide(value, total_value)) + 0.0


def _product(quantity: Decimal, price: Decimal, sign: int = 1) -> Decimal:
    """The exact product; zero has no sign."""
    return EXACT.plus(EXACT.multiply(EXACT.multiply(quantity, price), sign))
