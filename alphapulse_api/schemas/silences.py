"""Silences: alerts that nobody is told of for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from marshmallow import ValidationError, fields, validate

from alphapulse_api.domain.times import now
from alphapulse_api.schemas.alerts import Severity
from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.fields import BookId, Identifier, Items, Text, Timestamp
from alphapulse_api.schemas.queries import ListQuery, QueryBoolean, Sort
from alphapulse_api.schemas.quick import CheckedSchema

MAX_VALUES: Final = 100  # of one condition
_ANY: Final = validate.Length(max=MAX_VALUES)
_LABELS: Final = "as name:value; of each name that is given, any of its values"


class LabelText(Text):
    """A label with its value, such as `team:risk`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        name, colon, wanted = text.partition(":")
        if not (name and colon and wanted):
            raise ValidationError("Labels are written name:value.")
        return text


class MatchersRequest(CheckedSchema):
    """Conditions on alerts, of which an alert meets all."""

    severity = Items(Severity(), validate=_ANY, metadata={"description": "any of them"})
    min_severity = Severity(metadata={"description": "this severity, or a higher one"})
    source = Items(Text(128), validate=_ANY, metadata={"description": "any of them"})
    rule_id = Items(Text(128), validate=_ANY, metadata={"description": "any of them"})
    tags = Items(Text(64), validate=_ANY, metadata={"description": "any of them"})
    labels = Items(LabelText(512), validate=_ANY, metadata={"description": _LABELS})
    book = Items(
        BookId(none=True),
        validate=_ANY,
        metadata={"description": "any of them; an empty text: of no book"},
    )

    def errors_of(self, record: Mapping[str, Any], given: Any) -> dict[str, list[str]]:
        """Refuse conditions that every alert meets."""
        if isinstance(given, Mapping) and not any(given.values()):
            return {
                "min_severity": [
                    "A silence has at least one condition. For all alerts, state info here."
                ]
            }
        return {}


class Matchers(Answer):
    """Conditions on alerts, of which an alert meets all."""

    optional: ClassVar = frozenset(MatchersRequest().fields)

    severity = fields.List(Severity())
    min_severity = Severity()
    source = fields.List(Text(128))
    rule_id = fields.List(Text(128))
    tags = fields.List(Text(64))
    labels = fields.List(Text(512), metadata={"description": _LABELS})
    book = fields.List(BookId(none=True))


class SilenceRequest(CheckedSchema):
    """For which alerts nobody is told, and for how long."""

    read_only: ClassVar = frozenset({"created_at", "created_by"})

    id = Identifier(metadata={"description": "made by the server when left out"})
    matchers = fields.Nested(MatchersRequest, required=True)
    starts_at = Timestamp(metadata={"description": "default: now"})
    until = Timestamp(required=True)
    comment = Text(1024, shortest=0, load_default="", metadata={"description": "why"})

    def errors_of(self, record: Mapping[str, Any], given: Any) -> dict[str, list[str]]:
        """Check that the silence is not over before it begins."""
        until = record.get("until")
        if until is not None and until <= record.get("starts_at", now()):
            return {"until": ["Must be after starts_at, which is now when left out."]}
        return {}


class Silence(Answer):
    """Alerts that nobody is told of for a while."""

    id = Identifier()
    matchers = fields.Nested(Matchers)
    comment = Text(1024, shortest=0)
    created_by = fields.String()
    created_at = Timestamp()
    starts_at = Timestamp()
    until = Timestamp(metadata={"description": "of a silence that was ended: when that was"})


class SilencesQuery(ListQuery):
    """Which silences."""

    active = QueryBoolean(metadata={"description": "whether they are in force now"})
    sort = Sort(metadata={"description": "by created_at; default: desc, newest first"})
