"""Conversions of backtest results that several adapters share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def instant(at: Any) -> datetime:
    """Convert a time of the library's index; a time without a zone is UTC.

    Raises:
        ValueError: if it is not a time but a row number.
    """
    if not isinstance(at, datetime):
        raise ValueError(
            f"The data of the backtest have no times (their index has {at!r}): run it on data with "
            "a DatetimeIndex."
        )
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at
