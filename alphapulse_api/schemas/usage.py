"""What thinking cost: the calls of models that led to a signal or a decision.

The names follow OpenTelemetry's conventions for generative AI: `provider` is
`gen_ai.provider.name`, `input_tokens` is `gen_ai.usage.input_tokens`, and so on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from marshmallow import fields, validate

from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.fields import (
    DEFAULT_BOOK,
    BookId,
    Choice,
    Count,
    EventTime,
    Figure,
    Identifier,
    Items,
    Metadata,
    Money,
    Text,
    Timestamp,
)
from alphapulse_api.schemas.queries import InBooksQuery, ListQuery, RangeQuery
from alphapulse_api.schemas.quick import CheckedSchema

MAX_USAGE: Final = 100  # entries of one record
_NAMES: Final = (
    "provider", "model", "input_tokens", "output_tokens", "cached_tokens", "cost", "currency",
    "duration", "calls", "tool_calls",
)  # fmt: skip
_CACHED: Final = {"description": "of the input tokens, those that the provider had cached"}
_SECONDS: Final = {"description": "seconds"}


class UsageRequest(CheckedSchema):
    """Calls of one model."""

    provider = Text(64, metadata={"description": "such as openai"})
    model = Text(128)
    input_tokens = Count(metadata={"description": "with those that were cached"})
    output_tokens = Count()
    cached_tokens = Count(metadata=_CACHED)
    cost = Money(metadata={"description": "left out: unknown"})
    currency = Text(16, metadata={"description": "of the cost, such as USD"})
    duration = Figure(low=0, metadata=_SECONDS)
    calls = Count(1, metadata={"description": "left out: 1"})
    tool_calls = Count()

    def errors_of(self, record: Mapping[str, Any], given: Any) -> dict[str, list[str]]:
        """Check that a cost has a currency, and that the cached tokens are among the input."""
        errors = {}
        if record.get("cost") is not None and record.get("currency") is None:
            errors["currency"] = ["Missing: a cost has a currency."]
        cached, tokens = record.get("cached_tokens"), record.get("input_tokens")
        if cached is not None and tokens is not None and cached > tokens:
            errors["cached_tokens"] = ["Must not be greater than input_tokens, which include them."]
        if not any(record.get(name) is not None for name in _NAMES):
            errors["model"] = ["An entry has at least one field."]
        return errors


class Usage(Answer):
    """Calls of one model; fields that nobody stated are left out."""

    optional: ClassVar = frozenset(_NAMES)

    provider = Text(64)
    model = Text(128)
    input_tokens = Count(metadata={"description": "with those that were cached"})
    output_tokens = Count()
    cached_tokens = Count(metadata=_CACHED)
    cost = Money(metadata={"description": "left out: unknown"})
    currency = Text(16)
    duration = Figure(metadata=_SECONDS)
    calls = Count(metadata={"description": "left out: 1"})
    tool_calls = Count()


def usage_items() -> Items:
    """The field `usage` of a request."""
    return Items(
        fields.Nested(UsageRequest),
        load_default=list,
        validate=validate.Length(max=MAX_USAGE),
        metadata={"description": "the calls of models that it took"},
    )


class UsageRecordRequest(UsageRequest):
    """Calls of a model that no signal and no decision states."""

    read_only: ClassVar = frozenset({"received_at"})

    id = Identifier(metadata={"description": "made by the server when left out"})
    timestamp = EventTime(metadata={"description": "of the calls; default: now"})
    agent_id = Identifier(required=True, metadata={"description": "who made them"})
    decision_id = Identifier(metadata={"description": "of the decision that they led to"})
    cycle_id = Text(128, number=True, metadata={"description": "of the run of all agents"})
    metadata = Metadata(load_default=dict)
    book = BookId(allow_none=True, metadata={"description": DEFAULT_BOOK})


class UsageRecord(Answer):
    """Calls of a model that were reported by themselves."""

    id = Identifier()
    timestamp = Timestamp()
    received_at = Timestamp(metadata={"description": "by the server's clock"})
    agent_id = Identifier()
    decision_id = Identifier(allow_none=True)
    cycle_id = Text(128, allow_none=True)
    provider = Text(64, allow_none=True)
    model = Text(128, allow_none=True)
    input_tokens = Count(allow_none=True)
    output_tokens = Count(allow_none=True)
    cached_tokens = Count(allow_none=True)
    cost = Money(allow_none=True, metadata={"description": "as it was stated"})
    currency = Text(16, allow_none=True)
    duration = Figure(metadata=_SECONDS)
    calls = Count(allow_none=True)
    tool_calls = Count(allow_none=True)
    metadata = Metadata()
    book = BookId()


class Grouping(Choice):
    """What sums are made by."""

    words = ("agent", "model", "book", "day", "decision")


class UsageQuery(RangeQuery, InBooksQuery, ListQuery):
    """Which calls of models, and by what they are summed."""

    group_by = Grouping(load_default="agent", metadata={"description": "default: agent"})
    agent_id = Text(128)
    timezone = Text(64, metadata={"description": "an IANA name: where days begin; default: UTC"})


class UsageSum(Answer):
    """Calls of models by one group, in one currency.

    Calls whose cost nobody knows are a row of their own, without a currency. Only the fields of the
    group are there.
    """

    optional: ClassVar = frozenset({"agent_id", "provider", "model", "book", "day", "decision_id"})

    agent_id = Identifier()
    provider = Text(64, allow_none=True)
    model = Text(128, allow_none=True)
    book = BookId()
    day = fields.Date()
    decision_id = Identifier()
    calls = fields.Integer()
    input_tokens = fields.Integer(metadata={"description": "with those that were cached"})
    output_tokens = fields.Integer()
    cached_tokens = fields.Integer(metadata=_CACHED)
    tool_calls = fields.Integer()
    duration = fields.Float(metadata=_SECONDS)
    cost = Money(allow_none=True, metadata={"description": "null: unknown"})
    currency = Text(16, allow_none=True)
