"""Builds ids, words and metadata of records from the values of a venue or an engine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

_REFUSED: Final = re.compile(r"[\s/?#%{}\\]+")  # these cannot stand in a path of the API


def identifier(*parts: Any) -> str:
    """The parts, joined by colons; `identifier("kraken", "BTC/USD", 7)` is `kraken:BTC-USD:7`."""
    return ":".join(_REFUSED.sub("-", str(part)) for part in parts)


def word(text: Any) -> str | None:
    """An order type in snake case: `StopLimit` and `stop-limit` become `stop_limit`."""
    if not text:
        return None
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(text))
    return re.sub(r"[^a-z0-9]+", "_", parts.lower()).strip("_") or None


def signed(size: Any) -> dict[str, Any]:
    """Side and quantity of a size that is negative for a sale."""
    exact = Decimal(str(size))
    return {"side": "sell" if exact < 0 else "buy", "quantity": abs(exact)}


def without_none(metadata: dict[str, Any]) -> dict[str, Any]:
    """Metadata without the unknown values."""
    return {name: value for name, value in metadata.items() if value is not None}


def fee_fields(fees: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The fee fields of a trade: `fee` and `fee_currency` for one fee, `fees` for several.

    Args:
        fees: each with `currency` and `amount`.
    """
    if len(fees) == 1:
        return {"fee": fees[0]["amount"], "fee_currency": fees[0]["currency"]}
    return {"fees": list(fees)}
