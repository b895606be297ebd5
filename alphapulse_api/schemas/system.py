"""System samples, and the answers about the service itself."""

from __future__ import annotations

from marshmallow import Schema, fields

from alphapulse_api.schemas.fields import Choice, EventTime, Figures, Text
from alphapulse_api.schemas.queries import ListQuery, RangeQuery

STATUSES = ("healthy", "warning", "error", "offline")


class SystemSample(Schema):
    """How a component is doing."""

    component = Text(128, required=True)
    status = Choice(*STATUSES, required=True)
    timestamp = EventTime(metadata={"description": "default: now"})
    metrics = Figures(load_default=dict)
    message = Text(4096, shortest=0, allow_none=True)


class SystemQuery(RangeQuery, ListQuery):
    """Which samples."""

    component = Text(128)


class Health(Schema):
    """The process lives."""

    status = fields.String()


class Readiness(Schema):
    """What the process needs, and whether it is there."""

    status = fields.String()
    checks = fields.Dict(fields.String(), fields.String())
