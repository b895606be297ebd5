"""The way of alerts in lists: raised, imported, or reported by another system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from alphapulse_api.domain.errors import Conflict
from alphapulse_api.record.batch_recorder import BatchRecorder
from alphapulse_api.record.completion import complete
from alphapulse_api.record.recorder import Resources
from alphapulse_api.runtime.slices import Steps
from alphapulse_api.schemas.alerts import AlertReport, AlertRequest
from alphapulse_api.schemas.imports import ImportedAlert
from alphapulse_api.schemas.loading import loading
from alphapulse_api.storage.stores import Written


class AlertRecorder(BatchRecorder):
    """Records lists of alerts, and reports of them."""

    resource: ClassVar = "alerts"

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources, AlertRequest, ImportedAlert)
        self._reports = resources.clocked(AlertReport(many=True))

    async def report(self, reports: list[Any]) -> list[dict[str, Any]]:
        """Store all reports of a list or none; returns each alert as it is now."""
        records = await self._slices.run(loading(self._reports, reports))
        work = self._accessors.alerts.report_alerts(records)
        stored = await self._publisher.stored(work, lambda: ("alerts",))
        await self._publisher.published("alerts", [alert for alert, changed in stored if changed])
        return [alert for alert, _ in stored]

    def _completing(self, records: list[dict[str, Any]]) -> Steps[list[frozenset[str]]]:
        server_set = []
        for alert in records:
            server_set.append(complete(alert, "created_at"))
            alert["acknowledged"] = alert.get("acknowledged_at") is not None
            alert["status"] = "acknowledged" if alert["acknowledged"] else "active"
            if alert.get("resolved_at") is not None:
                alert["status"] = "resolved"
            yield
        return server_set

    async def _add(
        self,
        records: Sequence[Mapping[str, Any]],
        server_set: Sequence[frozenset[str]],
        conflicts: dict[int, Conflict] | None,
        *,
        events: bool,
    ) -> list[Written]:
        return await self._accessors.alerts.add_alerts(
            records, server_set=server_set, conflicts=conflicts, events=events
        )
