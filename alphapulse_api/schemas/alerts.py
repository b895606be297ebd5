"""Alerts and what can be done to them."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields, validate

from alphapulse_api.schemas.fields import (
    Choice,
    EventTime,
    Figure,
    Identifier,
    Items,
    Metadata,
    Text,
    Timestamp,
)
from alphapulse_api.schemas.queries import CommaList, ListQuery, QueryBoolean, RangeQuery

SEVERITIES = ("info", "warning", "error", "critical")
MAX_TITLE: Final = 256  # characters
MAX_MESSAGE: Final = 4096
STATUSES = ("active", "acknowledged", "resolved")


class Alert(Schema):
    """Something a person should know of."""

    id = Identifier(metadata={"description": "made by the server when left out"})
    title = Text(MAX_TITLE, required=True)
    message = Text(MAX_MESSAGE, shortest=0, load_default="")
    severity = Choice(*SEVERITIES, load_default="warning")
    source = Text(128, allow_none=True)
    rule_id = Text(128, allow_none=True)
    metric_name = Text(128, allow_none=True)
    metric_value = Figure()
    threshold = Figure()
    status = Choice(*STATUSES, dump_only=True)
    created_at = EventTime(metadata={"description": "default: now"})
    acknowledged = fields.Boolean(dump_only=True)
    acknowledged_by = fields.String(dump_only=True, allow_none=True)
    acknowledged_at = Timestamp(dump_only=True, allow_none=True)
    comments = fields.String(dump_only=True, allow_none=True)
    resolved_at = Timestamp(dump_only=True, allow_none=True)
    tags = Items(Text(64), load_default=list, validate=validate.Length(max=64))
    metadata = Metadata(load_default=dict)


class AlertReport(Alert):
    """What another system says of one of its alerts; `created_at` is when it began to fire."""

    id = Identifier(required=True)
    created_at = EventTime(required=True)
    resolved_at = EventTime(allow_none=True)


class AlertsQuery(RangeQuery, ListQuery):
    """Which alerts."""

    severity = CommaList(*SEVERITIES, metadata={"description": "comma list"})
    acknowledged = QueryBoolean()
    status = Choice(*STATUSES)
    source = Text(128)


class Acknowledgement(Schema):
    """The user who acknowledges, and a comment."""

    comments = Text(4096, shortest=0, allow_none=True)
    user = Text(
        128,
        allow_none=True,
        metadata={"description": "default: the caller; only an admin may name another"},
    )


class Nothing(Schema):
    """An empty object."""
