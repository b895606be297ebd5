"""Trades."""

from __future__ import annotations

from marshmallow import Schema

from alphapulse_api.schemas.fields import Choice, EventTime, Identifier, Metadata, Money, Text
from alphapulse_api.schemas.queries import ListQuery, RangeQuery

SIDES = ("buy", "sell")
ORDER_TYPES = ("market", "limit", "stop", "stop_limit")
STATUSES = ("pending", "open", "partially_filled", "filled", "cancelled", "rejected")


class Trade(Schema):
    """An order's execution, or its attempt."""

    id = Identifier(metadata={"description": "made by the server when left out"})
    order_id = Text(128, allow_none=True)
    client_order_id = Text(128, allow_none=True)
    symbol = Text(64, required=True)
    side = Choice(*SIDES, required=True)
    quantity = Money(required=True, positive=True)
    price = Money(required=True, signed=True)
    value = Money(signed=True, metadata={"description": "default: quantity x price"})
    fee = Money(signed=True, allow_none=True, metadata={"description": "negative: a rebate"})
    fee_currency = Text(16, allow_none=True)
    order_type = Choice(*ORDER_TYPES, load_default="market")
    status = Choice(*STATUSES, load_default="filled")
    agent_id = Identifier(allow_none=True)
    strategy = Text(128, allow_none=True)
    executed_at = EventTime(metadata={"description": "default: now"})
    metadata = Metadata(load_default=dict)


class TradesQuery(RangeQuery, ListQuery):
    """Which trades."""

    symbol = Text(64)
    side = Choice(*SIDES)
    status = Choice(*STATUSES)
    strategy = Text(128)
    agent_id = Text(128)
