"""Samples of components."""

from __future__ import annotations

from datetime import datetime

from alphapulse_api.client import values
from alphapulse_api.client.pages import Rows
from alphapulse_api.client.reading.requests import Requests
from alphapulse_api.client.rows import SystemSample


class SystemReading(Requests):
    """Every GET about components as a method."""

    def system(
        self,
        *,
        component: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        limit: int | None = None,
    ) -> Rows[SystemSample]:
        """Return samples of components, oldest first (default: of the last hour)."""
        params = {"component": component, "start_time": start_time, "end_time": end_time}
        return self._pages("/api/system", values.SAMPLE, params, limit)
