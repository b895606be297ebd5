"""What a record lacks when it is checked: an id, a time, values that follow from others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import uuid_utils

from alphapulse_api.slices import Steps
from alphapulse_api.times import now
from alphapulse_api.valuation import priced, valued


def completed(record: dict[str, Any], time: str) -> dict[str, Any]:
    """With an id and a time; "unsaid" names what the caller left to us."""
    record.setdefault("id", str(uuid_utils.uuid7()))
    return timed(record, time)


def timed(record: dict[str, Any], time: str) -> dict[str, Any]:
    """With a time; "unsaid" names what the caller left to us."""
    unsaid = record.get("unsaid", frozenset()) | ({time} - record.keys())
    record.setdefault(time, now())
    return {**record, "unsaid": unsaid}


def said(record: dict[str, Any]) -> dict[str, Any]:
    """Without the name of what was left to us, which a host's accessor may hand back."""
    return {name: value for name, value in record.items() if name != "unsaid"}


def trade_completed(trade: dict[str, Any]) -> dict[str, Any]:
    """With a value, an id and a time."""
    return completed(priced(trade), "executed_at")


def completing_trades(trades: Iterable[dict[str, Any]]) -> Steps[list[dict[str, Any]]]:
    """The same of many, in steps."""
    done = []
    for trade in trades:
        done.append(trade_completed(trade))
        yield
    return done


def valuing(portfolio: Mapping[str, Any]) -> Steps[list[dict[str, Any]]]:
    """The positions of a portfolio with what follows from the rest, in steps."""
    done = []
    for position in portfolio["positions"]:
        done.append(valued(position, portfolio["total_value"]))
        yield
    return done
