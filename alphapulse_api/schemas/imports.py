"""Imported history: every record says when it happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import Schema, fields

from alphapulse_api.schemas.alerts import AlertRequest, AlertStatus
from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.fields import (
    DEFAULT_BOOK,
    BookId,
    Count,
    EventTime,
    Identifier,
    Money,
    Text,
)
from alphapulse_api.schemas.metrics import MetricPointRequest
from alphapulse_api.schemas.quick import CheckedSchema
from alphapulse_api.schemas.signals import SignalRequest
from alphapulse_api.schemas.system import SystemSampleRequest
from alphapulse_api.schemas.trades import TradeRequest


class EquityPoint(Schema):
    """A point of an equity curve."""

    timestamp = EventTime(required=True)
    total_value = Money(signed=True, required=True)
    cash = Money(signed=True, allow_none=True)
    positions_value = Money(signed=True, allow_none=True)


class ImportedTrade(TradeRequest):
    """A trade of the past, which says when it was executed."""

    executed_at = EventTime(required=True)


class ImportedPoint(MetricPointRequest):
    """A metric point of the past."""

    timestamp = EventTime(required=True)


class ImportedAlert(AlertRequest, CheckedSchema):
    """An alert of the past, in the state that it was left in."""

    read_only: ClassVar = frozenset({"acknowledged"})

    created_at = EventTime(required=True)
    status = AlertStatus(metadata={"description": "default: what follows from the times"})
    acknowledged_by = Text(128, allow_none=True)
    acknowledged_at = EventTime(allow_none=True)
    comments = Text(4096, shortest=0, allow_none=True)
    resolved_at = EventTime(allow_none=True)
    occurrences = Count(low=1, metadata={"description": "default: 1"})
    last_seen_at = EventTime(allow_none=True)
    reopened_from = Identifier(allow_none=True)

    def errors_of(self, record: Mapping[str, Any], given: Any) -> dict[str, list[str]]:
        """Check that the state agrees with the times."""
        status = record.get("status")
        resolved = record.get("resolved_at") is not None
        errors = {}
        if status is not None and (status == "resolved") != resolved:
            errors["resolved_at"] = ["An alert has it exactly if its status is resolved."]
        acted = any(record.get(name) is not None for name in ("acknowledged_by", "comments"))
        if (status == "acknowledged" or acted) and record.get("acknowledged_at") is None:
            errors["acknowledged_at"] = ["Missing: when the alert was acknowledged."]
        if status == "active" and record.get("acknowledged_at") is not None:
            errors["status"] = ["An alert with acknowledged_at is not active."]
        return errors


class ImportedSignal(SignalRequest):
    """A signal of the past."""

    timestamp = EventTime(required=True)


class ImportedSample(SystemSampleRequest):
    """A system sample of the past."""

    timestamp = EventTime(required=True)


class HistoryImport(Schema):
    """What the lines of a history do not say."""

    currency = Text(
        16, metadata={"description": "of the values; default: that of the book, else USD"}
    )
    book = BookId(metadata={"description": DEFAULT_BOOK})


class Imported(Answer):
    """What became of an imported history."""

    accepted = fields.Integer(metadata={"description": "records that are stored"})
    new = fields.Integer(
        metadata={
            "description": "of them, those that were not stored before; metric points count by "
            "series and time, whatever their value"
        }
    )
