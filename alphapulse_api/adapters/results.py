"""Values of a backtest's results that the adapters of several libraries convert alike."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def instant(at: Any) -> datetime:
    """A time of the library's index; one without a zone is UTC.

    Raises:
        ValueError: if it is no time but the number of a row.
    """
    if not isinstance(at, datetime):
        raise ValueError(
            f"The data of the backtest have no times (their index has {at!r}): run it on data with "
            "a DatetimeIndex."
        )
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at
