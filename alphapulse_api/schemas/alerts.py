"""Alerts and what can be done to them."""

from __future__ import annotations

from typing import ClassVar, Final

from marshmallow import Schema, fields, validate

from alphapulse_api.domain.occurrences import SEVERITIES
from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.fields import (
    DEFAULT_BOOK,
    BookId,
    Choice,
    EventTime,
    Figure,
    Identifier,
    Items,
    Metadata,
    Text,
    Timestamp,
)
from alphapulse_api.schemas.queries import (
    CommaList,
    EveryBookQuery,
    ExportQuery,
    ListQuery,
    QueryBoolean,
    SortedQuery,
)

MAX_TITLE: Final = 256  # characters
MAX_MESSAGE: Final = 4096
MAX_FINGERPRINT: Final = 256


class Severity(Choice):
    """How much an alert matters."""

    words = SEVERITIES


class AlertStatus(Choice):
    """The state of an alert."""

    words = ("active", "acknowledged", "resolved")


class AlertRequest(Schema):
    """Something a person should know of."""

    # An alert that was read may be sent back; fields that only the server sets are ignored.
    read_only: ClassVar = frozenset({
        "status", "acknowledged", "acknowledged_by", "acknowledged_at", "comments", "resolved_at",
        "occurrences", "last_seen_at", "reopened_from",
    })  # fmt: skip

    id = Identifier(metadata={"description": "made by the server when left out"})
    title = Text(MAX_TITLE, required=True)
    message = Text(MAX_MESSAGE, shortest=0, load_default="")
    severity = Severity(load_default="warning", metadata={"description": "default: warning"})
    source = Text(128, allow_none=True)
    rule_id = Text(128, allow_none=True)
    metric_name = Text(128, allow_none=True)
    metric_value = Figure()
    threshold = Figure()
    created_at = EventTime(metadata={"description": "default: now"})
    tags = Items(Text(64), load_default=list, validate=validate.Length(max=64))
    metadata = Metadata(load_default=dict)
    book = BookId(
        none=True,
        allow_none=True,
        metadata={"description": f"{DEFAULT_BOOK}; an empty text: of no book"},
    )
    fingerprint = Text(
        MAX_FINGERPRINT,
        allow_none=True,
        metadata={
            "description": "of what is the same problem: an alert with the fingerprint of an "
            "unresolved one of the same book counts on that, and is no new alert"
        },
    )


class AlertReport(AlertRequest):
    """What another system says of one of its alerts; `created_at` is when it began to fire."""

    class Meta:
        exclude = ("fingerprint",)  # its id identifies it

    read_only: ClassVar = AlertRequest.read_only - {"resolved_at"}

    id = Identifier(required=True)
    created_at = EventTime(required=True)
    resolved_at = EventTime(allow_none=True)


class Alert(Answer):
    """Something a person should know of."""

    id = Identifier()
    title = Text(MAX_TITLE)
    message = Text(MAX_MESSAGE, shortest=0)
    severity = Severity()
    source = Text(128, allow_none=True)
    rule_id = Text(128, allow_none=True)
    metric_name = Text(128, allow_none=True)
    metric_value = Figure()
    threshold = Figure()
    status = AlertStatus()
    created_at = Timestamp()
    acknowledged = fields.Boolean(
        metadata={"description": "true even of a resolved alert if it was acknowledged before"}
    )
    acknowledged_by = fields.String(allow_none=True)
    acknowledged_at = Timestamp(allow_none=True)
    comments = fields.String(allow_none=True)
    resolved_at = Timestamp(allow_none=True)
    tags = fields.List(fields.String())
    metadata = Metadata()
    book = BookId(allow_none=True, metadata={"description": "null: it belongs to no book"})
    fingerprint = Text(MAX_FINGERPRINT, allow_none=True)
    occurrences = fields.Integer(
        metadata={"description": "how often it was raised while it was not resolved"}
    )
    last_seen_at = Timestamp(
        allow_none=True,
        metadata={"description": "when it was raised last; null: it has no fingerprint"},
    )
    reopened_from = Identifier(
        allow_none=True,
        metadata={"description": "the resolved alert before with the same fingerprint"},
    )


class AlertFilters(SortedQuery, EveryBookQuery):
    """Which alerts."""

    severity = CommaList(
        Severity, metadata={"description": "repeated, or one comma list; any of them"}
    )
    acknowledged = QueryBoolean()
    status = AlertStatus()
    source = Text(128)


class AlertsQuery(AlertFilters, ListQuery):
    """Which alerts, and which page of them."""


class AlertsExport(AlertFilters, ExportQuery):
    """Which alerts, as a file."""


class AcknowledgeRequest(Schema):
    """The user who acknowledges, and a comment."""

    comments = Text(4096, shortest=0, allow_none=True)
    user = Text(
        128,
        allow_none=True,
        metadata={"description": "default: the caller; only an admin may name another"},
    )


class Nothing(Schema):
    """An empty object."""


class Empty(Answer):
    """An empty object."""
