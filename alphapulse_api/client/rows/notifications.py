"""The types of notifications and silences."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypedDict

from alphapulse_api.client.rows.alerts import Severity

NotificationCause = Literal[
    "raised", "severity", "acknowledged", "resolved", "repeated", "escalated"
]
NotificationState = Literal["pending", "delivered", "failed", "silenced"]


class Notification(TypedDict):
    """What one receiver is told of one change of one alert."""

    id: str
    receiver: str
    book: str | None
    alert_id: str
    title: str
    severity: Severity
    cause: NotificationCause
    state: NotificationState
    created_at: datetime
    due_at: datetime | None
    attempts: int
    delivered_at: datetime | None
    last_error: str | None
    message_id: str | None
    silence_id: str | None


class Matchers(TypedDict, total=False):
    """Conditions on alerts, of which an alert meets all; labels are texts such as `team:risk`."""

    severity: list[Severity]
    min_severity: Severity
    source: list[str]
    rule_id: list[str]
    tags: list[str]
    labels: list[str]
    book: list[str]


class Silence(TypedDict):
    """Alerts that nobody is told of for a while."""

    id: str
    matchers: Matchers
    comment: str
    created_by: str
    created_at: datetime
    starts_at: datetime
    until: datetime
