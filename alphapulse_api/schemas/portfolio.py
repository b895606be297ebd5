"""The portfolio, its positions and its history."""

from __future__ import annotations

from typing import ClassVar

from marshmallow import Schema, fields, validate

from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.fields import (
    DEFAULT_BOOK,
    BookId,
    Choice,
    EventTime,
    Figure,
    Figures,
    Items,
    Money,
    Text,
    Timestamp,
)
from alphapulse_api.schemas.queries import (
    ExportQuery,
    OneBookQuery,
    QueryBoolean,
    QueryInteger,
    RangeQuery,
)
from alphapulse_api.schemas.remembered import Remembered


class PositionSide(Choice):
    """Whether a position gains when the price rises (long) or falls (short)."""

    words = ("long", "short")


class PositionRequest(Schema):
    """One holding; what can be computed from the rest may be left out.

    A computed value that only repeats what was read before is computed again.
    """

    symbol = Text(64, required=True)
    side = PositionSide(load_default="long", metadata={"description": "default: long"})
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


class PortfolioRequest(Schema):
    """Positions, cash and their total value."""

    # A portfolio that was read may be sent back; fields that only the server sets are ignored.
    read_only: ClassVar = frozenset({"stale", "history"})

    total_value = Money(required=True, signed=True)
    cash = Money(required=True, signed=True)
    currency = Text(
        16, allow_none=True, metadata={"description": "default: that of the book, else USD"}
    )
    positions = Items(
        fields.Nested(PositionRequest), load_default=list, validate=validate.Length(max=10_000)
    )
    performance = Figures(load_default=dict)
    as_of = EventTime(metadata={"description": "default: now"})
    book = BookId(allow_none=True, metadata={"description": DEFAULT_BOOK})


def remember_positions(schema: PortfolioRequest) -> None:
    """Make a schema check only the positions and fields that changed since the last call."""
    positions = schema.fields["positions"]
    assert isinstance(positions, Items)
    assert isinstance(positions.inner, fields.Nested)
    positions.remembered = Remembered(positions.inner.schema, ("symbol", "side"))


class Position(Answer):
    """One holding."""

    symbol = Text(64)
    side = PositionSide()
    quantity = Money()
    entry_price = Money(signed=True, allow_none=True)
    current_price = Money(signed=True, allow_none=True)
    value = Money(signed=True, allow_none=True, metadata={"description": "negative for a short"})
    weight = Figure(metadata={"description": "share of total_value"})
    unrealized_pnl = Money(signed=True, allow_none=True)
    unrealized_pnl_pct = Figure(metadata={"description": "as a ratio: 0.05 is 5 %"})
    realized_pnl = Money(signed=True, allow_none=True)
    opened_at = Timestamp(allow_none=True)


class HistoryPoint(Answer):
    """The portfolio's worth at an instant."""

    timestamp = Timestamp()
    total_value = Money(signed=True)
    cash = Money(signed=True)
    positions_value = Money(signed=True)


class Portfolio(Answer):
    """Positions, cash and their total value."""

    optional: ClassVar = frozenset({"history"})

    total_value = Money(signed=True)
    cash = Money(signed=True)
    currency = Text(16)
    positions = fields.List(fields.Nested(Position))
    performance = Figures()
    as_of = Timestamp()
    stale = fields.Boolean(metadata={"description": "older than portfolio.stale_after"})
    book = BookId()
    history = fields.List(
        fields.Nested(HistoryPoint),
        metadata={"description": "only with include_history; oldest first"},
    )


class PortfolioChanges(Answer):
    """What changed since the portfolio before: all fields, but only some of the positions.

    Listed are the positions that are new, that changed, and those whose weight is not `value` /
    `total_value`. Runs say how to put all of them together.
    """

    total_value = Money(signed=True)
    cash = Money(signed=True)
    currency = Text(16)
    positions = fields.List(fields.Nested(Position))
    runs = fields.List(
        fields.List(fields.Integer(), validate=validate.Length(equal=2)),
        metadata={
            "description": "of the list that has the positions before and then `positions`, the "
            "parts that make all positions: the start and the length of each. A position of before "
            "has the weight `value` / `total_value`, rounded to the nearest double."
        },
    )
    performance = Figures()
    as_of = Timestamp()
    stale = fields.Boolean(metadata={"description": "older than portfolio.stale_after"})
    book = BookId()


class Currency(Schema):
    """The currency of a portfolio, by itself."""

    currency = Text(16, required=True)


class PortfolioQuery(RangeQuery, OneBookQuery):
    """At which instant; whether its past too, and which stretch of it."""

    as_of = Timestamp(
        metadata={
            "description": "show the portfolio as it was held at that time: the newest snapshot "
            "at it or before it. The history then ends there too, in place of end_time."
        }
    )
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


class HistoryExport(RangeQuery, OneBookQuery, ExportQuery):
    """Which stretch of the past, as a file."""
