"""Checks trades without the schema, because a history may have a million of them.

`TradeRequest` defines what a trade is. A trade of the usual shape, with values of Python's own
types, is checked here, some five times faster. Anything unusual or invalid is left to the schema,
so results and errors are the schema's own (a property test compares them).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from marshmallow import Schema, ValidationError

from alphapulse_api.domain import times
from alphapulse_api.domain.books import BOOK
from alphapulse_api.domain.orders import STATUSES
from alphapulse_api.schemas.fields import (
    IDENTIFIER,
    RESERVED_IDS,
    UTC_TEXT,
    WORD,
    EventTime,
    clean,
)

_IDENTIFIER: Final = re.compile(IDENTIFIER)
_UNUSUAL_IDS: Final = frozenset({".", "..", *RESERVED_IDS})
_WORD: Final = re.compile(WORD)
_BOOK: Final = re.compile(BOOK)
# Plain decimal notation, well within the bounds of `Money`.
_NUMBER: Final = re.compile(r"\d{1,20}(?:\.\d{1,20})?", re.ASCII)
_SIGNED: Final = re.compile(r"-?\d{1,20}(?:\.\d{1,20})?", re.ASCII)
_LARGE: Final = 10**20
_STATUSES: Final = frozenset(STATUSES)
_FLAT: Final = frozenset({str, int, float, bool, type(None)})
_TEXT: Final = frozenset({str})
_NULLABLE: Final = frozenset(
    {
        "order_id", "client_order_id", "filled_quantity", "price", "value", "fee", "fee_currency",
        "fees", "order_type", "status", "agent_id", "strategy", "corrects", "decision_id",
        "decided_price", "metadata", "book",
    }
)  # fmt: skip


class _Unusual(Exception):
    """The trade does not have the usual shape; it may be valid or not."""


def usual_trade(schema: Schema, trade: Mapping[str, Any]) -> dict[str, Any] | None:
    """A trade as the fields of its schema convert it, before any check between fields.

    Args:
        schema: `TradeRequest`, or one with the same fields.
        trade: the trade as it was sent; its keys are strings.

    Returns:
        The record, or None if the schema must be asked.
    """
    record: dict[str, Any] = {}
    try:
        for name, value in trade.items():
            if value is None:
                if name not in _NULLABLE:
                    return None
                record[name] = None
            elif name == "metadata":
                record[name] = _metadata(schema, value)
            else:
                record[name] = _CHECKS[name](value)
    except (_Unusual, ValidationError, ArithmeticError, LookupError, TypeError, ValueError):
        return None
    if "symbol" not in record or "side" not in record or "quantity" not in record:
        return None
    time = schema.load_fields["executed_at"]
    instant = record.get("executed_at")
    if instant is None:
        return None if time.required else record
    assert isinstance(time, EventTime)
    return record if (instant - times.now()).total_seconds() <= time.ahead else None


def _text(longest: int) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if type(value) is not str or not 1 <= len(value) <= longest:
            raise _Unusual
        return value if value.isascii() and "\x00" not in value else clean(value)

    return check


def _identifier(value: Any) -> str:
    if type(value) is not str or not _IDENTIFIER.fullmatch(value) or value in _UNUSUAL_IDS:
        raise _Unusual
    return value if value.isascii() else clean(value)


def _book(value: Any) -> str:
    if type(value) is not str or not _BOOK.fullmatch(value):
        raise _Unusual
    return value


def _side(value: Any) -> str:
    if type(value) is not str or value not in ("buy", "sell"):
        raise _Unusual
    return value


def _status(value: Any) -> str:
    if type(value) is not str or value not in _STATUSES:
        raise _Unusual
    return value


def _order_type(value: Any) -> str:
    if type(value) is not str or not _WORD.fullmatch(value):
        raise _Unusual
    return value


def _amount(number: re.Pattern[str]) -> Callable[[Any], Decimal]:
    def check(value: Any) -> Decimal:
        kind = type(value)
        if kind is str:
            text = value
        elif kind is Decimal or kind is float or (kind is int and -_LARGE < value < _LARGE):
            text = str(value)
        else:
            raise _Unusual
        if not number.fullmatch(text):
            raise _Unusual
        amount = value if kind is Decimal else Decimal(text)
        return amount or amount.copy_abs()  # -0 becomes 0

    return check


def _instant(value: Any) -> datetime:
    kind = type(value)
    if kind is datetime:
        # Which of two equal hours it is (fold) says nothing in UTC, and is not kept.
        if value.tzinfo is not UTC or value.fold:
            raise _Unusual
        return value  # type: ignore[no-any-return]
    if kind is str and UTC_TEXT.fullmatch(value):
        return datetime.fromisoformat(value)
    if kind is int:
        return times.from_micros(times.micros_from_epoch(value))
    raise _Unusual


def _metadata(schema: Schema, value: Any) -> Any:
    if (
        type(value) is not dict
        or not _FLAT.issuperset(map(type, value.values()))
        or not _TEXT.issuperset(map(type, value))
    ):
        raise _Unusual
    return schema.load_fields["metadata"].deserialize(value, "metadata", None)


_CHECKS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "id": _identifier,
    "order_id": _text(128),
    "client_order_id": _text(128),
    "symbol": _text(64),
    "side": _side,
    "quantity": _amount(_NUMBER),
    "filled_quantity": _amount(_NUMBER),
    "price": _amount(_SIGNED),
    "value": _amount(_SIGNED),
    "fee": _amount(_SIGNED),
    "fee_currency": _text(16),
    "order_type": _order_type,
    "status": _status,
    "agent_id": _identifier,
    "strategy": _text(128),
    "executed_at": _instant,
    "corrects": _identifier,
    "decision_id": _identifier,
    "decided_price": _amount(_SIGNED),
    "book": _book,
}
