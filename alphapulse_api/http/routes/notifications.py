"""What people were told of alerts, and silences."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import ACKNOWLEDGE_ALERTS
from alphapulse_api.http.handlers import notifications, silences
from alphapulse_api.http.route import Row
from alphapulse_api.schemas.notifications import (
    Notification,
    NotificationsExport,
    NotificationsQuery,
)
from alphapulse_api.schemas.silences import Silence, SilenceRequest, SilencesQuery

# fmt: off
ROWS: Final = (
    # Not cached: no event says that a notification was sent, or that a silence begins.
    Row("GET", "/api/notifications", "view_alerts", notifications.list_notifications,
        query=NotificationsQuery, answer=Notification, many=True, for_all_books=True,
        tag="notifications", operation="listNotifications"),
    Row("GET", "/api/notifications/export", "view_alerts", notifications.export_notifications,
        query=NotificationsExport, answer=Notification, many=True, export=True,
        for_all_books=True, tag="notifications", operation="exportNotifications"),
    Row("GET", "/api/silences", "view_alerts", silences.list_silences, query=SilencesQuery,
        answer=Silence, many=True, for_all_books=True, tag="notifications",
        operation="listSilences"),
    Row("GET", "/api/silences/{id}", "view_alerts", silences.get_silence, answer=Silence,
        for_all_books=True, tag="notifications", operation="getSilence", failures=(404,)),
    Row("POST", "/api/silences", ACKNOWLEDGE_ALERTS, silences.create_silence, body=SilenceRequest,
        answer=Silence, status=201, located=True, repeats=True, for_all_books=True,
        tag="notifications", operation="createSilence", failures=(409,)),
    Row("DELETE", "/api/silences/{id}", ACKNOWLEDGE_ALERTS, silences.end_silence, answer=Silence,
        for_all_books=True, tag="notifications", operation="endSilence", failures=(404,)),
)
# fmt: on
