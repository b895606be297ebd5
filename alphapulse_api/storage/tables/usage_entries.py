"""Entries of `usage` in rows of their own: the columns to select, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from alphapulse_api.domain.times import from_micros

Entry = tuple[Mapping[str, Any], datetime]  # an entry of `usage`, and when its calls were made
_FIELDS: Final = (
    "provider", "model", "input_tokens", "output_tokens", "cached_tokens", "cost", "currency",
    "duration", "calls", "tool_calls",
)  # fmt: skip
ENTRY: Final = f"timestamp, {', '.join(_FIELDS)}"


def read_entry(row: Sequence[Any]) -> Entry:
    """The entry in a row of ENTRY."""
    at, *values = row
    entry = dict(zip(_FIELDS, values, strict=True))
    if entry["cost"] is not None:
        entry["cost"] = Decimal(entry["cost"])
    return entry, from_micros(at)
