"""History that is imported: what happened has a time of its own."""

from __future__ import annotations

from marshmallow import Schema

from alphapulse_api.schemas.fields import EventTime, Money
from alphapulse_api.schemas.trades import TradeRequest


class EquityPoint(Schema):
    """A point of an equity curve."""

    timestamp = EventTime(required=True)
    total_value = Money(signed=True, required=True)
    cash = Money(signed=True, allow_none=True)
    positions_value = Money(signed=True, allow_none=True)


class ImportedTrade(TradeRequest):
    """A trade of the past, which says when it was executed."""

    executed_at = EventTime(required=True)
