"""The types of alerts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypedDict

Severity = Literal["info", "warning", "error", "critical"]
AlertStatus = Literal["active", "acknowledged", "resolved"]


class Alert(TypedDict):
    """A condition that needs attention."""

    id: str
    title: str
    message: str
    severity: Severity
    source: str | None
    rule_id: str | None
    metric_name: str | None
    metric_value: float | None
    threshold: float | None
    status: AlertStatus
    created_at: datetime
    acknowledged: bool
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    comments: str | None
    resolved_at: datetime | None
    tags: list[str]
    metadata: dict[str, Any]
    book: str | None
    fingerprint: str | None
    occurrences: int
    last_seen_at: datetime | None
    reopened_from: str | None
