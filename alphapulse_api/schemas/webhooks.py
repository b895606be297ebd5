"""What other systems post, as the OpenAPI document describes it; the receivers validate it."""

from __future__ import annotations

from marshmallow import INCLUDE, Schema, fields

from alphapulse_api.schemas.fields import Text, Timestamp


class FiringAlert(Schema):
    """One alert of Alertmanager or Grafana."""

    class Meta:
        unknown = INCLUDE

    status = fields.String(required=True, metadata={"enum": ["firing", "resolved"]})
    labels = fields.Dict(fields.String(), fields.String())
    annotations = fields.Dict(fields.String(), fields.String())
    startsAt = Timestamp(required=True)
    endsAt = Timestamp()
    fingerprint = Text(128, required=True)


class AlertmanagerMessage(Schema):
    """A webhook message of Alertmanager or Grafana."""

    class Meta:
        unknown = INCLUDE

    alerts = fields.List(fields.Nested(FiringAlert), required=True)
