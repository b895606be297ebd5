"""Completes validated records: an id, a time, derived values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import uuid_utils

from alphapulse_api.domain import orders
from alphapulse_api.domain.derived import valued
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.holdings import Holding, Holdings
from alphapulse_api.domain.times import call_time
from alphapulse_api.domain.write_back import Basis, WriteBacks
from alphapulse_api.runtime.slices import Steps
from alphapulse_api.schemas.remembered import Item


def complete(record: dict[str, Any], time: str) -> frozenset[str]:
    """Set the id and the time of a record, in place.

    Args:
        record: validated.
        time: the name of the field with its time.

    Returns:
        The fields that the server set, in which a repeat of the record may therefore differ.
    """
    record.setdefault("id", str(uuid_utils.uuid7()))
    return set_time(record, time)


def set_time(record: dict[str, Any], time: str) -> frozenset[str]:
    """Give a record a time, if it has none; returns the fields that the server set."""
    server_set = frozenset({time} - record.keys())
    record.setdefault(time, call_time())
    return server_set


class Stored(dict[str, Any]):
    """A record as it is stored.

    Attributes:
        new: whether it was not stored before.
    """

    __slots__ = ("new",)

    def __init__(self, record: Mapping[str, Any], new: bool) -> None:
        super().__init__(record)
        self.new = new


def complete_trade(trade: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
    """The trade with an id, a time and its derived values, and the fields that the server set."""
    record, server_set = orders.completed(trade, call_time())
    record.setdefault("id", str(uuid_utils.uuid7()))
    return record, server_set


def valuing(
    portfolio: Mapping[str, Any], write_backs: WriteBacks, basis: Basis | None
) -> Steps[Holdings]:
    """The positions of a portfolio with their derived values, in steps.

    Args:
        portfolio: validated.
        write_backs: finds the values that the sender only repeats.
        basis: the portfolio that the sender may have read.
    """
    total_value = portfolio["total_value"]
    holding = Holding(total_value)
    for position in portfolio["positions"]:
        derived = position.derived if isinstance(position, Item) else None
        if derived is None:
            given = write_backs.current(position, total_value, basis)
            whole = valued(given, total_value)
            weight = whole.pop("weight")
            derived = whole, dumps(whole)
            if given.get("weight") is not None:
                holding.add_weighted(*derived, weight)
                yield
                continue
            if isinstance(position, Item):
                position.derived = derived
        holding.add(*derived)
        yield
    return holding.done()
