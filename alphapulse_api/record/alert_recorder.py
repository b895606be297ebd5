"""Records lists of alerts: raised, imported, or reported by another system."""

from __future__ import annotations

from typing import Any, ClassVar

from alphapulse_api.domain.books import Books
from alphapulse_api.domain.tags import tags_of
from alphapulse_api.record.batch_recorder import AddAll, BatchRecorder
from alphapulse_api.record.completion import complete
from alphapulse_api.record.recorder import Resources
from alphapulse_api.schemas.alerts import AlertReport, AlertRequest
from alphapulse_api.schemas.imports import ImportedAlert
from alphapulse_api.schemas.loading import loading


class AlertRecorder(BatchRecorder):
    """Records lists of alerts, and reports of them."""

    resource: ClassVar = "alerts"

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources, AlertRequest, ImportedAlert)
        self._reports = resources.clocked(AlertReport(many=True))

    async def report(self, reports: list[Any], books: Books) -> list[dict[str, Any]]:
        """Store all reports of a list or none; returns each alert as it is now."""
        records = await self._slices.run(loading(self._reports, reports))
        for record in records:
            books.place(record)
        await self._check_books(records)
        work = self._accessors.alerts.report_alerts(records)
        stored = await self._publisher.stored(work, lambda: tags_of("alerts", records))
        await self._publisher.published("alerts", [alert for alert, changed in stored if changed])
        return [alert for alert, _ in stored]

    def _complete(self, record: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
        server_set = complete(record, "created_at")
        if record.get("fingerprint") is not None and record.get("last_seen_at") is None:
            record["last_seen_at"] = record["created_at"]
        record["acknowledged"] = record.get("acknowledged_at") is not None
        record["status"] = "acknowledged" if record["acknowledged"] else "active"
        if record.get("resolved_at") is not None:
            record["status"] = "resolved"
        return record, server_set

    @property
    def _add_all(self) -> AddAll:
        return self._accessors.alerts.add_alerts
