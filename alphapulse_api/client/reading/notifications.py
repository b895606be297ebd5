"""Notifications and silences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from alphapulse_api.client import values
from alphapulse_api.client.http import segment
from alphapulse_api.client.pages import Rows
from alphapulse_api.client.reading.requests import Requests, comma
from alphapulse_api.client.rows import Notification, NotificationState, Silence, Sort


class NotificationsReading(Requests):
    """Every GET about notifications and silences as a method."""

    def notifications(
        self,
        *,
        receiver: str | None = None,
        state: NotificationState | Sequence[NotificationState] | None = None,
        alert_id: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        sort: Sort | None = None,
        limit: int | None = None,
    ) -> Rows[Notification]:
        """Return what people were told of alerts, newest first unless `sort` is "asc"."""
        params = {
            "receiver": receiver,
            "state": comma(state),
            "alert_id": alert_id,
            "start_time": start_time,
            "end_time": end_time,
            "sort": sort,
        }
        return self._pages("/api/notifications", values.NOTIFICATION, params, limit)

    def silences(
        self, *, active: bool | None = None, sort: Sort | None = None, limit: int | None = None
    ) -> Rows[Silence]:
        """Return silences, newest first unless `sort` is "asc"; `active`: those in force now."""
        params = {"active": active, "sort": sort}
        return self._pages("/api/silences", values.SILENCE, params, limit)

    async def silence(self, silence_id: str) -> Silence:
        """Return one silence."""
        path = f"/api/silences/{segment(silence_id)}"
        silence: Silence = await self._get(path, values.SILENCE)
        return silence
