"""The audit log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from alphapulse_api.client import values
from alphapulse_api.client.pages import Rows
from alphapulse_api.client.reading.requests import Requests, comma
from alphapulse_api.client.rows import AuditEntry, Sort


class AuditReading(Requests):
    """Every GET about the audit log as a method."""

    def audit(
        self,
        *,
        actor: str | None = None,
        action: str | Sequence[str] | None = None,
        target: str | None = None,
        address: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        sort: Sort | None = None,
        limit: int | None = None,
    ) -> Rows[AuditEntry]:
        """Return who did what, newest first unless `sort` is "asc"; for admins."""
        params = {
            "actor": actor,
            "action": comma(action),
            "target": target,
            "address": address,
            "start_time": start_time,
            "end_time": end_time,
            "sort": sort,
        }
        return self._pages("/api/audit", values.AUDIT, params, limit)
