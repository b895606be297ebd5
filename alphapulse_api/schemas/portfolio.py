"""The portfolio, its positions, its past."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from alphapulse_api.schemas.fields import (
    Choice,
    EventTime,
    Figure,
    Figures,
    Items,
    Money,
    Text,
    Timestamp,
)
from alphapulse_api.schemas.queries import QueryBoolean, QueryInteger, RangeQuery


class Position(Schema):
    """One holding; what can be computed from the rest may be left out."""

    symbol = Text(64, required=True)
    side = Choice("long", "short", load_default="long")
    quantity = Money(required=True)
    entry_price = Money(signed=True, allow_none=True)
    current_price = Money(signed=True, allow_none=True)
    value = Money(
        signed=True,
        allow_none=True,
        metadata={"description": "default: quantity x current_price, negative for a short"},
    )
    weight = Figure(metadata={"description": "share of total_value; default: computed"})
    unrealized_pnl = Money(signed=True, allow_none=True)
    unrealized_pnl_pct = Figure(metadata={"description": "as a ratio: 0.05 is 5 %"})
    realized_pnl = Money(signed=True, allow_none=True)
    opened_at = EventTime(allow_none=True)


class HistoryPoint(Schema):
    """The portfolio's worth at an instant."""

    timestamp = Timestamp()
    total_value = Money()
    cash = Money()
    positions_value = Money()


class Portfolio(Schema):
    """Positions, cash and their total value."""

    total_value = Money(required=True, signed=True)
    cash = Money(required=True, signed=True)
    currency = Text(16, load_default="USD")
    positions = Items(
        fields.Nested(Position), load_default=list, validate=validate.Length(max=10_000)
    )
    performance = Figures(load_default=dict)
    as_of = EventTime(metadata={"description": "default: now"})
    stale = fields.Boolean(
        dump_only=True, metadata={"description": "older than portfolio.stale_after"}
    )
    history = fields.List(fields.Nested(HistoryPoint), dump_only=True)


class Currency(Schema):
    """The currency of a portfolio, by itself."""

    currency = Text(16, required=True)


class PortfolioQuery(RangeQuery):
    """Whether its past too, and which stretch of it."""

    include_history = QueryBoolean()
    max_points = QueryInteger(
        2,
        11_000,
        metadata={
            "description": "of the history, default 500. If there are more, each of equally long "
            "stretches keeps its first, last, lowest and highest, and the largest drawdowns keep "
            "their peak and trough."
        },
    )
