"""Trades."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from marshmallow import Schema, fields, validate

from alphapulse_api.domain.orders import FILLED, STATUSES, UNPRICED, UNTRADED
from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.fast_trades import usual_trade
from alphapulse_api.schemas.fields import (
    DEFAULT_BOOK,
    BookId,
    Choice,
    EventTime,
    Identifier,
    Items,
    Metadata,
    Money,
    Text,
    Timestamp,
    Word,
)
from alphapulse_api.schemas.queries import ExportQuery, InBooksQuery, ListQuery, SortedQuery
from alphapulse_api.schemas.quick import CheckedSchema

MAX_FEES: Final = 32


class Side(Choice):
    """The side of an order."""

    words = ("buy", "sell")


class OrderStatus(Choice):
    """A state of an order. It advances: pending, open, partially_filled, and one that is final."""

    words = STATUSES
    spellings: ClassVar = {"canceled": "cancelled"}  # the spelling of some exchanges


class FeeRequest(Schema):
    """A fee in one currency."""

    currency = Text(16, required=True)
    amount = Money(signed=True, required=True, metadata={"description": "negative: a rebate"})


class TradeRequest(CheckedSchema):
    """An order to record: its execution, or its attempt."""

    # A trade that was read may be sent back; fields that only the server sets are ignored.
    read_only: ClassVar = frozenset({"updated_at", "history"})

    id = Identifier(
        metadata={
            "description": "made by the server when left out; venues' ids are unique with the "
            "venue and the symbol only"
        }
    )
    order_id = Text(128, number=True, allow_none=True)
    client_order_id = Text(128, number=True, allow_none=True)
    symbol = Text(64, required=True)
    side = Side(required=True)
    quantity = Money(
        required=True, metadata={"description": "0 only if cancelled, rejected or expired"}
    )
    filled_quantity = Money(
        allow_none=True, metadata={"description": "default: quantity if filled, else what it was"}
    )
    price = Money(
        signed=True,
        allow_none=True,
        metadata={"description": "the average; null until there is one"},
    )
    value = Money(
        signed=True,
        allow_none=True,
        metadata={"description": "default: price x filled_quantity if that is given, or quantity"},
    )
    fee = Money(signed=True, allow_none=True, metadata={"description": "negative: a rebate"})
    fee_currency = Text(16, allow_none=True)
    fees = Items(
        fields.Nested(FeeRequest),
        allow_none=True,
        validate=validate.Length(max=MAX_FEES),
        metadata={"description": "where there are several, or in several currencies"},
    )
    order_type = Word(
        allow_none=True,
        metadata={"description": "market, limit, stop and stop_limit are usual; default: market"},
    )
    status = OrderStatus(
        allow_none=True,
        metadata={"description": "default: filled; `canceled` is taken for `cancelled`"},
    )
    agent_id = Identifier(allow_none=True)
    strategy = Text(128, allow_none=True)
    executed_at = EventTime(allow_none=True, metadata={"description": "default: now"})
    corrects = Identifier(
        allow_none=True,
        metadata={"description": "id of the trade that this correction or bust replaces"},
    )
    decision_id = Identifier(allow_none=True)
    decided_price = Money(signed=True, allow_none=True)
    metadata = Metadata(allow_none=True)
    book = BookId(allow_none=True, metadata={"description": DEFAULT_BOOK})

    def usual(self, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """A trade with values of Python's own types; see `fast_trades`."""
        return usual_trade(self, data)

    def errors_of(self, record: Mapping[str, Any], given: Any) -> dict[str, list[str]]:
        """Check that a trade has a price, and a quantity not below the filled quantity."""
        status = record.get("status") or FILLED
        quantity, filled = record.get("quantity"), record.get("filled_quantity")
        errors = {}
        unpriced = isinstance(given, Mapping) and given.get("price") is None
        if unpriced and status not in UNPRICED:
            errors["price"] = [f"A trade that is {status} has a price."]
        if quantity == 0 and status not in UNTRADED:
            errors["quantity"] = [f"Must be greater than 0 where the status is {status}."]
        if quantity is not None and filled is not None and filled > quantity:
            errors["filled_quantity"] = ["Must not be greater than quantity."]
        if record.get("corrects") is not None and record["corrects"] == record.get("id"):
            errors["corrects"] = ["Must be another trade: a correction has an id of its own."]
        return errors


class Fee(Answer):
    """A fee in one currency."""

    currency = Text(16)
    amount = Money(signed=True, metadata={"description": "negative: a rebate"})


class Trade(Answer):
    """An order: its execution, or its attempt."""

    id = Identifier()
    order_id = Text(128, allow_none=True)
    client_order_id = Text(128, allow_none=True)
    symbol = Text(64)
    side = Side()
    quantity = Money()
    filled_quantity = Money(
        allow_none=True, metadata={"description": "null where nobody knows it any more"}
    )
    price = Money(
        signed=True,
        allow_none=True,
        metadata={"description": "the average; null until there is one"},
    )
    value = Money(signed=True, allow_none=True)
    fee = Money(signed=True, allow_none=True, metadata={"description": "negative: a rebate"})
    fee_currency = Text(16, allow_none=True)
    fees = fields.List(fields.Nested(Fee))
    order_type = Word(metadata={"description": "market, limit, stop and stop_limit are usual"})
    status = OrderStatus()
    agent_id = Identifier(allow_none=True)
    strategy = Text(128, allow_none=True)
    executed_at = Timestamp()
    updated_at = Timestamp(
        allow_none=True, metadata={"description": "when its last state was recorded"}
    )
    corrects = Identifier(
        allow_none=True,
        metadata={"description": "id of the trade that this correction or bust replaces"},
    )
    decision_id = Identifier(allow_none=True)
    decided_price = Money(signed=True, allow_none=True)
    metadata = Metadata()
    book = BookId()


class OrderState(Answer):
    """A state that an order was in."""

    at = Timestamp(metadata={"description": "when it was recorded"})
    status = OrderStatus()
    filled_quantity = Money(allow_none=True)
    price = Money(signed=True, allow_none=True)


class TradeWithHistory(Trade):
    """A trade and the states it has been through, oldest first."""

    history = fields.List(fields.Nested(OrderState))


class TradeFilters(SortedQuery, InBooksQuery):
    """Which trades."""

    symbol = Text(64)
    side = Side()
    status = OrderStatus()
    strategy = Text(128)
    agent_id = Text(128)


class TradesQuery(TradeFilters, ListQuery):
    """Which trades, and which page of them."""


class TradesExport(TradeFilters, ExportQuery):
    """Which trades, as a file."""
