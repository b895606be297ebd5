"""System samples, and the answers about the service itself."""

from __future__ import annotations

from marshmallow import Schema, fields

from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.fields import Choice, EventTime, Figures, Text, Timestamp
from alphapulse_api.schemas.queries import ExportQuery, ListQuery, RangeQuery


class ComponentStatus(Choice):
    """Whether a component works."""

    words = ("healthy", "warning", "error", "offline")


class SystemSampleRequest(Schema):
    """How a component is doing."""

    component = Text(128, required=True)
    status = ComponentStatus(required=True)
    timestamp = EventTime(metadata={"description": "default: now"})
    metrics = Figures(load_default=dict)
    message = Text(4096, shortest=0, allow_none=True)


class SystemSample(Answer):
    """How a component is doing."""

    component = Text(128)
    status = ComponentStatus()
    timestamp = Timestamp()
    metrics = Figures()
    message = Text(4096, shortest=0, allow_none=True)


class SystemFilters(RangeQuery):
    """Which samples."""

    component = Text(128)


class SystemQuery(SystemFilters, ListQuery):
    """Which samples, and which page of them."""


class SystemExport(SystemFilters, ExportQuery):
    """Which samples, as a file."""


class Health(Answer):
    """The process lives."""

    status = fields.String()


class Readiness(Answer):
    """What the process needs, and whether it is there."""

    status = fields.String()
    checks = fields.Dict(fields.String(), fields.String())
    migrating = fields.Dict(
        fields.String(),
        fields.Float(),
        metadata={
            "description": "the share that is done, 0 to 1, of each table whose rows are being "
            "migrated; the server answers meanwhile"
        },
    )
