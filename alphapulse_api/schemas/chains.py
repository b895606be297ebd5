"""What led to a trade or a decision: the answers that show the whole chain."""

from __future__ import annotations

from typing import ClassVar, Final

from marshmallow import fields

from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.decisions import ExportedDecision
from alphapulse_api.schemas.fields import Choice, Identifier, Money, Text, Timestamp
from alphapulse_api.schemas.queries import CommaList, RecordQuery
from alphapulse_api.schemas.signals import SignalInFull
from alphapulse_api.schemas.trades import Fee, TradeWithHistory

MISSING: Final = {
    "description": "links that lead nowhere, such as `signal s-17`; one that retention removed "
    "ends in `: expired`"
}


class CurrencyCost(Answer):
    """A cost in one currency."""

    currency = Text(16)
    cost = Money()


class Cost(Answer):
    """What the calls of models cost, as far as it is known."""

    totals = fields.List(fields.Nested(CurrencyCost), metadata={"description": "one a currency"})
    calls = fields.Integer(metadata={"description": "calls of models"})
    unpriced_calls = fields.Integer(metadata={"description": "of them, those of unknown cost"})


class TradeProfit(Answer):
    """The profit of a trade so far, by FIFO lots of its book and symbol."""

    position_before = Money(signed=True, metadata={"description": "held before; below 0: short"})
    position_after = Money(signed=True)
    closed_quantity = Money(metadata={"description": "of the position that it closed"})
    closed_profit = Money(signed=True)
    opened_quantity = Money()
    open_quantity = Money(metadata={"description": "of what it opened, what is open still"})
    realized_profit = Money(signed=True, metadata={"description": "of the closed part of that"})
    unrealized_profit = Money(
        signed=True, allow_none=True, metadata={"description": "of the open part, at `price`"}
    )
    price = Money(signed=True, allow_none=True, metadata={"description": "newest of the symbol"})
    price_at = Timestamp(allow_none=True)
    profit = Money(signed=True, allow_none=True, metadata={"description": "all three together"})
    fees = fields.List(fields.Nested(Fee), metadata={"description": "of the trade, apart"})


class ProfitOfTrade(TradeProfit):
    """The profit of one trade of a decision."""

    trade_id = Identifier()


class ReasonedDecision(ExportedDecision):
    """What was decided, why, and what followed from it."""

    trade_ids = fields.List(Identifier(), metadata={"description": "that it led to"})
    corrected_by = fields.List(Identifier(), metadata={"description": "ids of its corrections"})


class DecisionInFull(ReasonedDecision):
    """What was decided, and the whole records that `expand` asks for."""

    optional: ClassVar = frozenset({"signals", "trades", "cost", "profits", "missing"})

    signals = fields.List(
        fields.Nested(SignalInFull), metadata={"description": "of `signal_ids`, in their order"}
    )
    trades = fields.List(
        fields.Nested(TradeWithHistory), metadata={"description": "of `trade_ids`"}
    )
    cost = fields.Nested(Cost, metadata={"description": "of the decision and its signals"})
    profits = fields.List(
        fields.Nested(ProfitOfTrade), metadata={"description": "of the trades that filled"}
    )
    missing = fields.List(fields.String(), metadata=MISSING)


class Why(Answer):
    """A trade and everything that led to it."""

    trade = fields.Nested(TradeWithHistory)
    decision = fields.Nested(
        ReasonedDecision,
        allow_none=True,
        metadata={"description": "null: the trade names none, or it is missing"},
    )
    signals = fields.List(fields.Nested(SignalInFull))
    cost = fields.Nested(Cost, metadata={"description": "of the decision and its signals"})
    profit = fields.Nested(
        TradeProfit,
        allow_none=True,
        metadata={"description": "null: it filled nothing, or another trade corrects it"},
    )
    missing = fields.List(fields.String(), metadata=MISSING)


class Expansion(Choice):
    """What a decision is shown with."""

    words = ("signals", "trades", "cost", "profit")


class DecisionQuery(RecordQuery):
    """With what the decision is shown."""

    expand = CommaList(
        Expansion, metadata={"description": "whole records in addition to their ids"}
    )
