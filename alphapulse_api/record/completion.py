"""Completes validated records: an id, a time, derived values."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

import uuid_utils

from alphapulse_api.domain import orders
from alphapulse_api.domain.derived import valued
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.holdings import Holding, Holdings
from alphapulse_api.domain.times import call_time, now
from alphapulse_api.domain.write_back import Basis, WriteBacks
from alphapulse_api.runtime.slices import Steps
from alphapulse_api.schemas.decisions import ORDERED
from alphapulse_api.schemas.remembered import Item
from alphapulse_api.schemas.signals import HOLD

_PARTS: Final = uuid.UUID("6f3b1d0e-6a58-4f0b-9c55-0f2f5f1f7f3e")  # names ids of parts of decisions


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


def complete_signal(signal: dict[str, Any]) -> frozenset[str]:
    """Set what the server sets in a signal, in place; returns those fields."""
    server_set = complete(signal, "timestamp")
    signal["received_at"] = now()
    if signal["abstained"]:
        signal.setdefault("direction", HOLD)
    for name in ("usage", "inputs"):
        signal[name] = stated(signal.get(name, ()))
    return server_set


def complete_decision(decision: dict[str, Any]) -> frozenset[str]:
    """Set what the server sets in a decision and its parts, in place; returns its own such fields.

    The signals and trades that come with it become pairs: the record, and what the server set in
    it. Their ids are made of the decision's, so that a repeat has the same.

    Raises:
        ValidationProblem: for a signal or a trade of another book or decision.
    """
    server_set = complete(decision, "made_at")
    decision["received_at"] = now()
    for name in ("votes", "targets", "constraints", "usage"):
        decision[name] = stated(decision[name])
    signals = _parts(decision, "signals", "timestamp")
    trades = _parts(decision, "trades", "executed_at")
    decision["signals"], decision["trades"] = [], []
    for signal, inherited in signals:
        signal.setdefault("agent_id", decision["agent_id"])
        # If the server set the time of the decision, a repeat of its parts has another one, too.
        set_here = complete_signal(signal) | (inherited if server_set else frozenset())
        decision["signals"].append((signal, set_here))
    for trade, inherited in trades:
        trade["decision_id"] = decision["id"]
        record, set_here = complete_trade(trade)
        decision["trades"].append((record, set_here | (inherited if server_set else frozenset())))
    if trades:
        decision.setdefault("outcome", ORDERED)
    ids = dict.fromkeys((*decision["signal_ids"], *(signal["id"] for signal, _ in signals)))
    decision["signal_ids"] = list(ids)
    parts = (part for part, _ in (*signals, *trades))
    about = (*decision["targets"], *decision["constraints"], *parts)
    decision["symbols"] = sorted({part["symbol"] for part in about if part.get("symbol")})
    return server_set


def _parts(
    decision: dict[str, Any], name: str, time: str
) -> list[tuple[dict[str, Any], frozenset[str]]]:
    """The records that come with a decision, each with an id and a time.

    Returns:
        Each, and the fields that it has from the decision.
    """
    parts = []
    for number, given in enumerate(decision.get(name) or ()):
        part = dict(given)
        for field, allowed in (("book", decision.get("book")), ("decision_id", decision["id"])):
            if part.get(field) not in (None, allowed):
                detail = f"Must be {allowed!r}, as of the decision."
                pointer = f"/{name}/{number}/{field}"
                raise ValidationProblem([{"pointer": pointer, "detail": detail}])
        part.pop("book", None)
        if part.get("id") is None:
            part["id"] = str(uuid.uuid5(_PARTS, f"{decision['id']}/{name}/{number}"))
        if part.get(time) is None:
            part[time] = decision["made_at"]
            parts.append((part, frozenset({time})))
        else:
            parts.append((part, frozenset()))
    return parts


def stated(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Entries of a list without their fields that are null."""
    return [
        {name: value for name, value in entry.items() if value is not None} for entry in entries
    ]


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
