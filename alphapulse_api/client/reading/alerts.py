"""Alerts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from alphapulse_api.client import values
from alphapulse_api.client.http import segment
from alphapulse_api.client.pages import Rows
from alphapulse_api.client.reading.requests import Books, Requests, comma
from alphapulse_api.client.rows import Alert, AlertStatus, Severity, Sort


class AlertsReading(Requests):
    """Every GET about alerts as a method."""

    def alerts(
        self,
        *,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        severity: Severity | Sequence[Severity] | None = None,
        acknowledged: bool | None = None,
        status: AlertStatus | None = None,
        source: str | None = None,
        sort: Sort | None = None,
        limit: int | None = None,
        book: Books | None = None,
    ) -> Rows[Alert]:
        """Return alerts, newest first unless `sort` is "asc"; `limit` is the total number."""
        params = {
            "book": comma(book),
            "start_time": start_time,
            "end_time": end_time,
            "severity": comma(severity),
            "acknowledged": acknowledged,
            "status": status,
            "source": source,
            "sort": sort,
        }
        return self._pages("/api/alerts", values.ALERT, params, limit)

    async def alert(self, alert_id: str, *, book: str | None = None) -> Alert:
        """Return one alert."""
        alert: Alert = await self._get(
            f"/api/alerts/{segment(alert_id)}", values.ALERT, {"book": book}
        )
        return alert
