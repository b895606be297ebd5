"""The log of notifications: what was sent to whom, and what became of it."""

from __future__ import annotations

from marshmallow import fields

from alphapulse_api.domain.notifications import CAUSES, STATES
from alphapulse_api.schemas.alerts import MAX_TITLE, Severity
from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.fields import BookId, Choice, Identifier, Text, Timestamp
from alphapulse_api.schemas.queries import CommaList, ExportQuery, ListQuery, SortedQuery


class NotificationCause(Choice):
    """Why a receiver is told of an alert."""

    words = CAUSES


class NotificationState(Choice):
    """What became of it."""

    words = STATES


class Notification(Answer):
    """What one receiver is told of one change of one alert."""

    id = Identifier()
    receiver = Text(64)
    book = BookId(allow_none=True, metadata={"description": "of the alert; null: of no book"})
    alert_id = Identifier()
    title = Text(MAX_TITLE, metadata={"description": "of the alert at that time"})
    severity = Severity(metadata={"description": "of the alert at that time"})
    cause = NotificationCause()
    state = NotificationState()
    created_at = Timestamp(metadata={"description": "of the change"})
    due_at = Timestamp(
        allow_none=True,
        metadata={
            "description": "when it is sent, tried again, or looked at after a silence; null: never"
        },
    )
    attempts = fields.Integer()
    delivered_at = Timestamp(allow_none=True)
    last_error = Text(1024, allow_none=True, metadata={"description": "without secrets"})
    message_id = Text(
        64,
        allow_none=True,
        metadata={"description": "the same for all that one message tells; its `webhook-id`"},
    )
    silence_id = Identifier(
        allow_none=True, metadata={"description": "of the silence that held it back"}
    )


class NotificationFilters(SortedQuery):
    """Which notifications; the range is that of `created_at`."""

    receiver = Text(64)
    state = CommaList(
        NotificationState, metadata={"description": "repeated, or one comma list; any of them"}
    )
    alert_id = Text(128)


class NotificationsQuery(NotificationFilters, ListQuery):
    """Which notifications, and which page of them."""


class NotificationsExport(NotificationFilters, ExportQuery):
    """Which notifications, as a file."""
