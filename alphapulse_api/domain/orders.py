"""The life of an order: which states follow which, and what may change on the way.

    pending -> open -> partially_filled -> filled | cancelled | rejected | expired

A trade is posted again under its id with a later state; it never goes back, and a final state
stays. Brokers report some facts after the fill (a commission, say): those may be added in any
state, once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from alphapulse_api.domain.decimals import EXACT

Trade = dict[str, Any]

PENDING, OPEN, PARTIALLY_FILLED, FILLED = "pending", "open", "partially_filled", "filled"
FINAL: Final = (FILLED, "cancelled", "rejected", "expired")
STATUSES: Final = (PENDING, OPEN, PARTIALLY_FILLED, *FINAL)
# Trades in all other states have a price at which something was traded.
UNPRICED: Final = (PENDING, OPEN, "cancelled", "rejected", "expired")
# Nothing is going to be traded in these states, so the quantity may be 0.
UNTRADED: Final = ("cancelled", "rejected", "expired")

_RANK: Final = {PENDING: 0, OPEN: 1, PARTIALLY_FILLED: 2, **dict.fromkeys(FINAL, 3)}
# The identity of the order: these never change. A venue's ids may become known on the way.
_FIXED: Final = (
    "symbol", "side", "quantity", "order_type", "agent_id", "strategy", "corrects",
    "order_id", "client_order_id",
)  # fmt: skip
# The filled quantity is unknown for orders that ended before it was stored.
_KNOWN_LATER: Final = ("order_id", "client_order_id", "filled_quantity")
# Fields that a later state changes.
_PROGRESS: Final = ("status", "filled_quantity", "price", "value", "executed_at")
# Fields that may be added in any state, once; a later state may replace them.
LATE_FACTS: Final = (
    "fee", "fee_currency", "fees", "metadata", "decision_id", "decided_price",
)  # fmt: skip
# A changed state or fact belongs to the same order, so another id would not help.
_CORRECT: Final = (
    "The stored trade stays: post a correction as a new trade that names it in corrects."
)
# Those of them that do not depend on how much was filled.
_TIMELESS: Final = ("metadata", "decision_id", "decided_price")
# The fields of an entry of the history, besides the time.
HISTORY: Final = ("status", "filled_quantity", "price")


class Disagreement(Exception):
    """A trade contradicts the stored one with its id.

    Attributes:
        field: the first field that disagrees.
        reason: what is wrong with it, as the end of a sentence that begins with the id.
        remedy: what to do, as a sentence; "" if the id may have been taken by another order.
    """

    def __init__(self, field: str, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason
        self.remedy = remedy


def completed(trade: Mapping[str, Any], at: datetime) -> tuple[Trade, frozenset[str]]:
    """A new trade with defaults for omitted fields, and the names of those fields.

    Args:
        trade: validated; a field that is None or empty counts as left out.
        at: the time to set if the trade has none.
    """
    given = _given(trade)
    record: Trade = {
        "status": FILLED, "order_type": "market", "fees": [], "metadata": {}, "executed_at": at,
        **given,
    }  # fmt: skip
    record.setdefault("filled_quantity", _filled(record, Decimal(0)))
    if "value" not in given:
        record["value"] = _value(record, of_filled="filled_quantity" in given)
    return record, frozenset(record.keys() - given.keys())


def advanced(
    stored: Mapping[str, Any],
    trade: Mapping[str, Any],
    server_set: Collection[str],
    history: Sequence[Mapping[str, Any]] = (),
) -> Trade | None:
    """The stored trade after another one was sent under its id.

    Args:
        stored: the trade as it is stored.
        trade: the one given, as `completed` returns it.
        server_set: the fields of it that the caller left out.
        history: earlier states of the stored trade, with the fields of `HISTORY`.

    Returns:
        The trade as it is now, or None if nothing changes: it is a repeat, of the present state or
        of an earlier one.

    Raises:
        Disagreement: if the order cannot have gone from the stored state to the sent one.
    """
    given = {
        name: value
        for name, value in _given(trade).items()
        if name in stored and name not in server_set
    }
    if stored["status"] not in FINAL:
        # A fill that follows an order, from an engine that reports fills alone.
        given.setdefault("status", trade["status"])
    states = (stored, *history)
    _drop_outdated_quantity(given, stored["quantity"], states)
    for name in _FIXED:
        if name in given and given[name] != stored.get(name) and not _becomes_known(stored, name):
            raise Disagreement(name, f"exists already, with another {name}")
    if _is_later(stored, given):
        return _later(stored, given, trade["executed_at"], states)
    if any(_says(given, state) for state in history) and not _says(given, stored):
        # The sender repeats an earlier state. Its fees are outdated; its other facts may be new.
        late: Trade = {n: given[n] for n in _TIMELESS if n in given and _left_out(stored.get(n))}
        return {**stored, **late} if late else None
    if _is_computed(given.get("value"), stored["quantity"], states):
        del given["value"]  # of the present state, or of an earlier one that was read
    for name in _PROGRESS:
        if name in given and given[name] != stored.get(name) and not _becomes_known(stored, name):
            final = name == "status" and stored["status"] in FINAL
            remedy = _CORRECT if final else ""
            raise Disagreement(name, _no_way(stored, given, name), remedy)
    added = {}
    for name in (*_KNOWN_LATER, *LATE_FACTS):
        if name in given and given[name] != (there := stored.get(name)):
            if not _left_out(there):
                raise Disagreement(name, f"exists already, with another {name}", _CORRECT)
            added[name] = given[name]
    return {**stored, **added} if added else None


def _becomes_known(stored: Mapping[str, Any], name: str) -> bool:
    return name in _KNOWN_LATER and stored.get(name) is None


def _given(trade: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in trade.items() if not _left_out(value)}


def _left_out(value: Any) -> bool:
    # An empty list of fees, or empty metadata, means left out; a fee of zero does not.
    return value is None or (isinstance(value, list | dict) and not value)


def _filled(trade: Mapping[str, Any], before: Decimal) -> Decimal:
    """The filled quantity if the sender omitted it."""
    filled: Decimal = trade["quantity"] if trade["status"] == FILLED else before
    return filled


def _value(trade: Mapping[str, Any], *, of_filled: bool) -> Decimal | None:
    """The exact value; zero has no sign; None without a price or a known quantity."""
    quantity = trade["filled_quantity"] if of_filled else trade["quantity"]
    if trade.get("price") is None or quantity is None:
        return None
    return EXACT.plus(EXACT.multiply(quantity, trade["price"]))


def _is_later(stored: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    if stored["status"] in FINAL:
        return False
    status = given.get("status", stored["status"])
    if _RANK[status] != _RANK[stored["status"]]:
        return _RANK[status] > _RANK[stored["status"]]
    more = given.get("filled_quantity", Decimal(0)) > _so_far(stored)
    return status == PARTIALLY_FILLED and bool(more)


def _so_far(stored: Mapping[str, Any]) -> Decimal:
    filled: Decimal | None = stored.get("filled_quantity")
    return Decimal(0) if filled is None else filled


def _drop_outdated_quantity(
    given: Trade, quantity: Decimal, states: Collection[Mapping[str, Any]]
) -> None:
    """Drop the filled quantity of an earlier state from a fill: all is filled then.

    A sender that reads an order, sets its status to `filled` and sends it back repeats it.
    """
    filled = given.get("filled_quantity")
    if given.get("status") != FILLED or filled is None or filled == quantity:
        return
    if any(filled == _so_far(state) for state in states if state["status"] != FILLED):
        del given["filled_quantity"]


def _is_computed(
    value: Decimal | None, quantity: Decimal, states: Collection[Mapping[str, Any]]
) -> bool:
    """Whether a value is the one that was computed for one of the states."""
    if value is None:
        return False
    of_states = [{**state, "quantity": quantity} for state in states]
    # Of a state without fills it is the value of the whole order, or 0 if the sender named 0.
    return any(
        value in (_value(state, of_filled=bool(_so_far(state))), _value(state, of_filled=True))
        for state in of_states
    )


def _later(
    stored: Mapping[str, Any],
    given: Mapping[str, Any],
    at: datetime,
    states: Collection[Mapping[str, Any]],
) -> Trade:
    trade = {**stored, **given}
    if "filled_quantity" not in given:
        trade["filled_quantity"] = _filled(trade, _so_far(stored))
    if trade["filled_quantity"] < _so_far(stored):
        raise Disagreement("filled_quantity", "cannot have less filled than before")
    value = _value(trade, of_filled=bool(trade["filled_quantity"]))
    # A sender that reads an order, changes it and sends it back repeats the value of before.
    if "value" not in given or (
        given["value"] != value and _is_computed(given["value"], trade["quantity"], states)
    ):
        trade["value"] = value
    if trade["filled_quantity"] > _so_far(stored) and "executed_at" not in given:
        trade["executed_at"] = at
    return trade


def _says(given: Mapping[str, Any], state: Mapping[str, Any]) -> bool:
    """Whether the given fields repeat this state, and nothing more."""
    return all(given[name] == state.get(name) for name in HISTORY if name in given)


def _no_way(stored: Mapping[str, Any], given: Mapping[str, Any], name: str) -> str:
    if name == "status" and stored["status"] in FINAL:
        return f"is {stored['status']}, which is final: its status stays"
    if name == "status":
        return f"is {stored['status']} and cannot go back to {given['status']}"
    return f"exists already, with another {name}"
