"""The way of alerts that another system reports: checked, stored, published; all or none."""

from __future__ import annotations

from typing import Any

from alphapulse_api.record.recorder import Recorder, Resources
from alphapulse_api.schemas.alerts import AlertReport
from alphapulse_api.schemas.loading import loading


class AlertRecorder(Recorder):
    """Records reports of alerts."""

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources)
        self._reports = resources.clocked(AlertReport(many=True))

    async def report(self, reports: list[Any]) -> list[dict[str, Any]]:
        """Store all reports of a list or none; returns each alert as it is now."""
        records = await self._slices.run(loading(self._reports, reports))
        work = self._accessors.alerts.report_alerts(records)
        stored = await self._publisher.stored(work, lambda: ("alerts",))
        await self._publisher.published("alerts", [alert for alert, changed in stored if changed])
        return [alert for alert, _ in stored]
