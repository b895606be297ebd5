"""Decisions: what was decided, from which signals, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from marshmallow import fields, validate

from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.fields import (
    DEFAULT_BOOK,
    BookId,
    Choice,
    EventTime,
    Figure,
    Identifier,
    Items,
    LongText,
    Metadata,
    Money,
    Text,
    Timestamp,
    Word,
)
from alphapulse_api.schemas.queries import (
    ExportQuery,
    InBooksQuery,
    ListQuery,
    SortedQuery,
)
from alphapulse_api.schemas.quick import CheckedSchema
from alphapulse_api.schemas.signals import SignalRequest
from alphapulse_api.schemas.trades import TradeRequest
from alphapulse_api.schemas.usage import Usage, usage_items

ORDERED: Final = "ordered"
MAX_LINKS: Final = 1000  # of each kind
_AT_MOST: Final = validate.Length(max=MAX_LINKS)
_CYCLE: Final = {"description": "of the run of all agents that it belongs to"}
_CORRECTS: Final = {"description": "id of the decision that this correction replaces"}
_WEIGHT: Final = {"description": "share of the book's value; below 0: short"}
_OUTCOME: Final = {"description": "default: ordered, if there are `trades`; else null"}


class Outcome(Choice):
    """What became of a decision."""

    words = (ORDERED, "no_trade", "blocked", "deferred")


class VoteRequest(CheckedSchema):
    """What one agent contributed."""

    agent_id = Identifier(required=True)
    weight = Figure()
    conviction = Figure(low=-1, high=1)

    def errors_of(self, record: Mapping[str, Any], given: Any) -> dict[str, list[str]]:
        return {}


class TargetRequest(CheckedSchema):
    """The position in a symbol that was decided."""

    symbol = Text(64, required=True)
    weight_before = Figure(metadata=_WEIGHT)
    weight_target = Figure(metadata=_WEIGHT)
    quantity = Money(signed=True, metadata={"description": "to trade; below 0: to sell"})

    def errors_of(self, record: Mapping[str, Any], given: Any) -> dict[str, list[str]]:
        return {}


class ConstraintRequest(CheckedSchema):
    """What a rule of risk changed."""

    name = Text(128, required=True)
    symbol = Text(64)
    before = Money(signed=True)
    after = Money(signed=True)
    reason = Text(1024)

    def errors_of(self, record: Mapping[str, Any], given: Any) -> dict[str, list[str]]:
        return {}


class DecisionRequest(CheckedSchema):
    """What was decided."""

    # A decision that was read may be sent back; the server sets the rest.
    read_only: ClassVar = frozenset(
        {"received_at", "symbols", "trade_ids", "corrected_by", "cost", "profits", "missing"}
    )

    id = Identifier(metadata={"description": "made by the server when left out"})
    made_at = EventTime(metadata={"description": "default: now"})
    agent_id = Identifier(required=True, metadata={"description": "who decided"})
    cycle_id = Text(128, number=True, metadata=_CYCLE)
    outcome = Outcome(metadata=_OUTCOME)
    reasoning = LongText(metadata={"description": "text or Markdown of up to 64 KiB"})
    signal_ids = Items(
        Identifier(),
        load_default=list,
        validate=_AT_MOST,
        metadata={"description": "what it is based on; they may arrive later"},
    )
    signals = Items(
        fields.Nested(SignalRequest),
        validate=_AT_MOST,
        metadata={"description": "signals to store with it; `agent_id` is by default the decider"},
    )
    trades = Items(
        fields.Nested(TradeRequest),
        validate=_AT_MOST,
        metadata={"description": "trades to store with it, which it led to"},
    )
    votes = Items(fields.Nested(VoteRequest), load_default=list, validate=_AT_MOST)
    targets = Items(fields.Nested(TargetRequest), load_default=list, validate=_AT_MOST)
    constraints = Items(
        fields.Nested(ConstraintRequest),
        load_default=list,
        validate=_AT_MOST,
        metadata={"description": "what risk cut, and why"},
    )
    corrects = Identifier(metadata=_CORRECTS)
    usage = usage_items()
    metadata = Metadata(load_default=dict)
    book = BookId(allow_none=True, metadata={"description": DEFAULT_BOOK})

    def errors_of(self, record: Mapping[str, Any], given: Any) -> dict[str, list[str]]:
        """Check the number of its links, and that it does not correct itself."""
        errors = {}
        if record.get("corrects") is not None and record["corrects"] == record.get("id"):
            errors["corrects"] = ["Must be another decision: a correction has an id of its own."]
        named, whole = record.get("signal_ids") or (), record.get("signals") or ()
        if len(named) + len(whole) > MAX_LINKS:
            errors["signal_ids"] = [f"At most {MAX_LINKS} signals, with those in `signals`."]
        return errors


class ImportedDecision(DecisionRequest):
    """A decision of the past."""

    made_at = EventTime(required=True)


class Vote(Answer):
    """What one agent contributed."""

    optional: ClassVar = frozenset({"weight", "conviction"})

    agent_id = Identifier()
    weight = Figure()
    conviction = Figure()


class Target(Answer):
    """The position in a symbol that was decided."""

    optional: ClassVar = frozenset({"weight_before", "weight_target", "quantity"})

    symbol = Text(64)
    weight_before = Figure(metadata=_WEIGHT)
    weight_target = Figure(metadata=_WEIGHT)
    quantity = Money(signed=True, metadata={"description": "to trade; below 0: to sell"})


class Constraint(Answer):
    """What a rule of risk changed."""

    optional: ClassVar = frozenset({"symbol", "before", "after", "reason"})

    name = Text(128)
    symbol = Text(64)
    before = Money(signed=True)
    after = Money(signed=True)
    reason = Text(1024)


class Decision(Answer):
    """What was decided, without its reasoning."""

    id = Identifier()
    made_at = Timestamp()
    received_at = Timestamp(metadata={"description": "by the server's clock"})
    agent_id = Identifier()
    cycle_id = Text(128, allow_none=True)
    outcome = Word(
        allow_none=True,
        metadata={"description": f"one of {', '.join(Outcome.words)}; null: unsaid"},
    )
    symbols = fields.List(
        Text(64), metadata={"description": "of its targets, constraints, signals and trades"}
    )
    signal_ids = fields.List(Identifier())
    votes = fields.List(fields.Nested(Vote))
    targets = fields.List(fields.Nested(Target))
    constraints = fields.List(fields.Nested(Constraint))
    corrects = Identifier(allow_none=True, metadata=_CORRECTS)
    usage = fields.List(fields.Nested(Usage))
    metadata = Metadata()
    book = BookId()


class ExportedDecision(Decision):
    """What was decided, and why."""

    reasoning = LongText(allow_none=True, metadata={"description": "text or Markdown; never HTML"})


class DecisionFilters(SortedQuery, InBooksQuery):
    """Which decisions."""

    agent_id = Text(128)
    symbol = Text(64)
    cycle_id = Text(128)


class DecisionsQuery(DecisionFilters, ListQuery):
    """Which decisions, and which page of them."""


class DecisionsExport(DecisionFilters, ExportQuery):
    """Which decisions, as a file."""
