"""Profit, summed over round trips."""

from __future__ import annotations

from typing import ClassVar

from marshmallow import fields

from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.books import BookMode
from alphapulse_api.schemas.fields import BookId, Choice, Figure, Identifier, Money, Text
from alphapulse_api.schemas.queries import InBooksQuery, ListQuery, RangeQuery
from alphapulse_api.schemas.trades import Fee


class PnlGrouping(Choice):
    """What round trips are summed by."""

    words = ("symbol", "strategy", "agent", "day", "week", "month")


class PnlQuery(RangeQuery, InBooksQuery, ListQuery):
    """Which round trips, by the time of the trade that closed them, and how they are summed."""

    group_by = PnlGrouping(load_default="symbol", metadata={"description": "default: symbol"})
    symbol = Text(64)
    strategy = Text(128)
    agent_id = Text(128)
    timezone = Text(64, metadata={"description": "an IANA name: where days begin; default: UTC"})


class PnlSum(Answer):
    """The round trips of one group, in one mode and currency.

    Figures are without fees, but for `net_profit`. Only the field of the group is there; symbol,
    strategy, agent, and days by their first one.
    """

    optional: ClassVar = frozenset({"symbol", "strategy", "agent_id", "day", "week", "month"})

    symbol = Text(64)
    strategy = Text(128, allow_none=True)
    agent_id = Identifier(allow_none=True)
    day = fields.Date()
    week = fields.Date(metadata={"description": "its Monday"})
    month = fields.Date(metadata={"description": "its first day"})
    mode = BookMode(metadata={"description": "of the books"})
    currency = Text(16, allow_none=True, metadata={"description": "of the books; null: not known"})
    book = BookId(allow_none=True, metadata={"description": "null: several books are added up"})
    round_trips = fields.Integer()
    wins = fields.Integer(metadata={"description": "round trips with a profit"})
    losses = fields.Integer(metadata={"description": "round trips with a loss"})
    win_rate = Figure(metadata={"description": "wins / round_trips"})
    profit = Money(signed=True, metadata={"description": "gross_profit + gross_loss"})
    gross_profit = Money(metadata={"description": "of the wins"})
    gross_loss = Money(signed=True, metadata={"description": "of the losses; 0 or negative"})
    profit_factor = Figure(metadata={"description": "gross_profit / -gross_loss; null: no losses"})
    average_profit = Money(signed=True, metadata={"description": "rounded to 18 places"})
    average_win = Money(allow_none=True)
    average_loss = Money(signed=True, allow_none=True)
    opening_fees = fields.List(fields.Nested(Fee), metadata={"description": "by currency"})
    closing_fees = fields.List(fields.Nested(Fee))
    net_profit = Money(signed=True, metadata={"description": "less the fees in `currency`"})
