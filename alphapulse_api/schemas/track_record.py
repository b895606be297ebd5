"""The track record of an agent."""

from __future__ import annotations

from marshmallow import fields

from alphapulse_api.domain.track_record.verdict import VERDICTS
from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.books import BookMode
from alphapulse_api.schemas.fields import BookId, Choice, Figure, Identifier, Money, Text
from alphapulse_api.schemas.queries import OneBookQuery, RangeQuery
from alphapulse_api.schemas.trades import Fee

_HIT = {"description": "the share of calls that were right"}
_BASE = {"description": "what the same calls would have hit in the 30 windows before each"}
_BRIER = {"description": "of the stated probabilities; 0 is best, 0.25 is a coin"}
_RANKS = {"description": "Spearman's, of conviction and return of the price"}
_AFTER = {"description": "less `cost_rate`; null if no trades show what trading costs"}
_VERDICT = {
    "description": "on all signals until `end_time`, by a test that holds at every look; "
    "null for a backtest"
}


class TrackRecordVerdict(Choice):
    """Whether an agent's calls tell more than chance."""

    words = VERDICTS


class Estimate(Answer):
    """A figure and its confidence interval of 95 %; null where there is too little to tell."""

    value = Figure()
    low = Figure()
    high = Figure()


class Interval(Answer):
    """The bounds of the confidence interval of 95 % of the figure beside it."""

    low = Figure()
    high = Figure()


class CalibrationBin(Answer):
    """Outcomes with stated probabilities in a decile, which contains its upper bound."""

    low = Figure()
    high = Figure()
    outcomes = fields.Integer()
    stated = Figure(metadata={"description": "the mean probability"})
    happened = Figure(metadata={"description": "the share of hits"})
    happened_interval = fields.Nested(Interval)


class OutcomeFigures(Answer):
    """What the outcomes of signals show."""

    outcomes = fields.Integer(metadata={"description": "signals with prices, without overlaps"})
    hit_rate = fields.Nested(Estimate, metadata=_HIT)
    base_rate = Figure(metadata=_BASE)
    base_rate_interval = fields.Nested(Interval)
    brier_score = fields.Nested(Estimate, metadata=_BRIER)
    calibration = fields.List(fields.Nested(CalibrationBin))
    rank_correlation = fields.Nested(Estimate, metadata=_RANKS)
    mean_return = fields.Nested(Estimate, metadata={"description": "of a call; 0.01 is 1 %"})
    mean_return_after_cost = fields.Nested(Estimate, metadata=_AFTER)


class RealizedProfit(Answer):
    """The round trips that an agent opened and that were closed in the range."""

    currency = Text(16, allow_none=True, metadata={"description": "of the book"})
    round_trips = fields.Integer()
    realized = Money(signed=True, metadata={"description": "without fees"})
    net = Money(signed=True, metadata={"description": "less the fees in the book's currency"})
    mean = fields.Nested(Estimate, metadata={"description": "of a round trip, without fees"})
    fees = fields.List(fields.Nested(Fee), metadata={"description": 'currency "": not known'})


class ThinkingCost(Answer):
    """What calls of models cost in a currency."""

    currency = Text(16)
    cost = Money()
    profit_per_cost = Figure(metadata={"description": "null where profit has another currency"})
    profit_per_cost_interval = fields.Nested(Interval)


class TrackRecord(OutcomeFigures):
    """The track record of an agent in a book."""

    agent_id = Identifier()
    book = BookId()
    mode = BookMode(allow_none=True)
    signals = fields.Integer(metadata={"description": "in the range"})
    abstentions = fields.Integer()
    pending = fields.Integer(metadata={"description": "whose horizon or price is to come"})
    unpriced = fields.Integer(metadata={"description": "for which no price was recorded"})
    overlapping = fields.Integer(
        metadata={"description": "that repeat a call whose horizon has not ended"}
    )
    verdict = TrackRecordVerdict(allow_none=True, metadata=_VERDICT)
    rounds = fields.Integer(metadata={"description": "observations of the verdict's test"})
    imported = fields.Nested(
        OutcomeFigures,
        metadata={"description": "of signals that came over 60 s after their time"},
    )
    cost_rate = Figure(
        metadata={"description": "fees of the agent's round trips by what the positions cost"},
    )
    profit = fields.Nested(RealizedProfit)
    thinking = fields.List(fields.Nested(ThinkingCost))
    unknown_costs = fields.Integer(metadata={"description": "calls of unknown cost"})


class TrackRecordQuery(RangeQuery, OneBookQuery):
    """Of which signals."""
