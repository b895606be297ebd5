"""What a record lacks when it is checked: an id, a time, values that follow from others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import uuid_utils

from alphapulse_api.domain import orders
from alphapulse_api.domain.derived import valued
from alphapulse_api.domain.times import now
from alphapulse_api.runtime.slices import Steps


def completed(record: dict[str, Any], time: str) -> dict[str, Any]:
    """With an id and a time; "unsaid" names what the caller left to us."""
    record.setdefault("id", str(uuid_utils.uuid7()))
    return timed(record, time)


def timed(record: dict[str, Any], time: str) -> dict[str, Any]:
    """With a time; "unsaid" names what the caller left to us."""
    unsaid = record.get("unsaid", frozenset()) | ({time} - record.keys())
    record.setdefault(time, now())
    return {**record, "unsaid": unsaid}


class Stored(dict[str, Any]):
    """A record as it is stored.

    Attributes:
        new: whether it was not stored before.
    """

    __slots__ = ("new",)

    def __init__(self, record: Mapping[str, Any], new: bool) -> None:
        super().__init__(record)
        self.new = new


def said(record: dict[str, Any]) -> dict[str, Any]:
    """Without the name of what was left to us, which a host's accessor may hand back."""
    return {name: value for name, value in record.items() if name != "unsaid"}


def saying(
    stored: Iterable[tuple[dict[str, Any], bool]],
) -> Steps[list[tuple[dict[str, Any], bool]]]:
    """The same of many, in steps; each with whether it is new."""
    done = []
    for record, new in stored:
        done.append((said(record), new))
        yield
    return done


def trade_completed(trade: dict[str, Any]) -> dict[str, Any]:
    """With an id, a time and whatever else follows; "unsaid" names what the caller left to us."""
    record, unsaid = orders.completed(trade, now())
    record.setdefault("id", str(uuid_utils.uuid7()))
    return {**record, "unsaid": unsaid}


def completing_trades(trades: list[dict[str, Any]]) -> Steps[None]:
    """The same of many, in their places, in steps."""
    for index, trade in enumerate(trades):
        trades[index] = trade_completed(trade)
        yield


def valuing(portfolio: Mapping[str, Any]) -> Steps[list[dict[str, Any]]]:
    """The positions of a portfolio with what follows from the rest, in steps."""
    done = []
    for position in portfolio["positions"]:
        done.append(valued(position, portfolio["total_value"]))
        yield
    return done
