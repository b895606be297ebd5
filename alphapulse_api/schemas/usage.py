"""What thinking cost: the calls of models that led to a signal or a decision.

The names follow OpenTelemetry's conventions for generative AI: `provider` is
`gen_ai.provider.name`, `input_tokens` is `gen_ai.usage.input_tokens`, and so on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from marshmallow import fields, validate

from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.fields import Count, Figure, Items, Money, Text
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
