"""Signals: what agents advise, why, and what they saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from marshmallow import fields, validate

from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.fields import (
    DEFAULT_BOOK,
    BookId,
    Choice,
    Duration,
    EventTime,
    Figure,
    Flag,
    Identifier,
    Items,
    Labels,
    Link,
    LongText,
    Metadata,
    MetricType,
    Money,
    Text,
    Timestamp,
    Word,
)
from alphapulse_api.schemas.queries import ExportQuery, InBooksQuery, ListQuery, SortedQuery
from alphapulse_api.schemas.quick import CheckedSchema
from alphapulse_api.schemas.usage import Usage, usage_items

DIRECTIONS: Final = ("buy", "sell", "hold", "short", "cover")
RATINGS: Final = ("strong_sell", "sell", "hold", "buy", "strong_buy")
HOLD: Final = "hold"
MAX_INPUTS: Final = 256
_INPUTS: Final = ("metric_type", "name", "labels", "value", "timestamp", "url", "title")
_RATING: Final = {"description": f"a word; {', '.join(RATINGS)} are usual"}
_CONVICTION: Final = {"description": "from -1, surely down, to 1, surely up"}
_HORIZON: Final = {"description": "ISO 8601 in weeks, days and less, such as P5D"}
_SUPERSEDES: Final = {"description": "id of the signal that this change of mind replaces"}
_ABSTAINED: Final = {"description": "whether the agent has no opinion; `reason` says why"}
_PROMPT: Final = {"description": "a hash of the prompt, to find signals of the same one"}
_CYCLE: Final = {"description": "of the run of all agents that it belongs to"}


class Direction(Choice):
    """What a signal advises."""

    words = DIRECTIONS


class InputRequest(CheckedSchema):
    """Something that an agent saw: a point of a metric, or a link."""

    metric_type = MetricType()
    name = Text(128, metadata={"description": "of the metric"})
    labels = Labels()
    value = Figure()
    timestamp = Timestamp(metadata={"description": "of the point, or of the document"})
    url = Link(metadata={"description": "http or https"})
    title = Text(256)

    def errors_of(self, record: Mapping[str, Any], given: Any) -> dict[str, list[str]]:
        """Check that it names a metric or a link."""
        named = given if isinstance(given, Mapping) else record
        if named.get("name") is None and named.get("url") is None:
            return {"name": ["Missing: give the name of a metric, or a url."]}
        return {}


class Input(Answer):
    """Something that an agent saw; fields that it did not state are left out."""

    optional: ClassVar = frozenset(_INPUTS)

    metric_type = MetricType()
    name = Text(128)
    labels = Labels()
    value = Figure()
    timestamp = Timestamp()
    url = Text(2048)
    title = Text(256)


class SignalRequest(CheckedSchema):
    """What an agent advises."""

    # A signal that was read may be sent back; the server sets when it came.
    read_only: ClassVar = frozenset({"received_at"})

    id = Identifier(metadata={"description": "made by the server when left out"})
    agent_id = Identifier(metadata={"description": "the agent of the path"})
    symbol = Text(64, required=True)
    direction = Direction(metadata={"description": "may be left out if `abstained`: hold"})
    confidence = Figure(low=0, high=1)
    conviction = Figure(low=-1, high=1, metadata=_CONVICTION)
    rating = Word(metadata=_RATING)
    abstained = Flag(load_default=False, metadata=_ABSTAINED)
    reason = Text(1024, metadata={"description": "in short; why it abstained"})
    horizon = Duration(metadata=_HORIZON)
    entry_price = Money(signed=True, allow_none=True)
    target_price = Money(signed=True, allow_none=True)
    stop_loss = Money(signed=True, allow_none=True)
    size = Money(allow_none=True, metadata={"description": "quantity that it advises"})
    timestamp = EventTime(metadata={"description": "default: now"})
    valid_until = Timestamp()
    model = Text(128)
    prompt_hash = Text(128, metadata=_PROMPT)
    cycle_id = Text(128, number=True, metadata=_CYCLE)
    supersedes = Identifier(metadata=_SUPERSEDES)
    usage = usage_items()
    metadata = Metadata(load_default=dict)
    book = BookId(allow_none=True, metadata={"description": DEFAULT_BOOK})
    thesis = LongText(metadata={"description": "text or Markdown of up to 64 KiB"})
    inputs = Items(
        fields.Nested(InputRequest),
        validate=validate.Length(max=MAX_INPUTS),
        metadata={"description": "what the agent saw"},
    )

    def errors_of(self, record: Mapping[str, Any], given: Any) -> dict[str, list[str]]:
        """Check that a signal has a direction unless it abstains, and supersedes another one."""
        errors = {}
        direction, abstained = record.get("direction"), record.get("abstained")
        unsaid = isinstance(given, Mapping) and given.get("direction") is None
        if unsaid and abstained is False:
            errors["direction"] = ["Missing data for required field, unless `abstained` is true."]
        if abstained and direction not in (None, HOLD):
            errors["direction"] = ["An agent that abstains has no direction but hold."]
        if record.get("supersedes") is not None and record["supersedes"] == record.get("id"):
            errors["supersedes"] = ["Must be another signal: a changed mind has an id of its own."]
        return errors


class Signal(Answer):
    """What an agent advises, without its long texts."""

    id = Identifier()
    agent_id = Identifier()
    symbol = Text(64)
    direction = Direction()
    confidence = Figure(low=0, high=1)
    conviction = Figure(low=-1, high=1, metadata=_CONVICTION)
    rating = Word(allow_none=True, metadata=_RATING)
    abstained = fields.Boolean(metadata=_ABSTAINED)
    reason = Text(1024, allow_none=True)
    horizon = Text(64, allow_none=True, metadata=_HORIZON)
    entry_price = Money(signed=True, allow_none=True)
    target_price = Money(signed=True, allow_none=True)
    stop_loss = Money(signed=True, allow_none=True)
    size = Money(allow_none=True)
    timestamp = Timestamp()
    received_at = Timestamp(
        allow_none=True, metadata={"description": "by the server's clock; null: not known"}
    )
    valid_until = Timestamp(allow_none=True)
    model = Text(128, allow_none=True)
    prompt_hash = Text(128, allow_none=True)
    cycle_id = Text(128, allow_none=True)
    supersedes = Identifier(allow_none=True, metadata=_SUPERSEDES)
    usage = fields.List(fields.Nested(Usage))
    metadata = Metadata()
    book = BookId()


class SignalInFull(Signal):
    """What an agent advises, its reasons and what it saw."""

    thesis = LongText(allow_none=True, metadata={"description": "text or Markdown; never HTML"})
    inputs = fields.List(fields.Nested(Input))


class SignalFilters(SortedQuery, InBooksQuery):
    """Which signals."""

    symbol = Text(64)
    direction = Direction()


class SignalsQuery(SignalFilters, ListQuery):
    """Which signals, and which page of them."""


class SignalsExport(SignalFilters, ExportQuery):
    """Which signals, as a file."""
