"""What the use of models cost."""

from __future__ import annotations

from datetime import datetime

from alphapulse_api.client import values
from alphapulse_api.client.decision_rows import Grouping, UsageSum
from alphapulse_api.client.pages import Rows
from alphapulse_api.client.reading.requests import Books, Requests, comma


class UsageReading(Requests):
    """Every GET about usage as a method."""

    def usage(
        self,
        *,
        group_by: Grouping = "agent",
        agent_id: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        timezone: str | None = None,
        book: Books | None = None,
        limit: int | None = None,
    ) -> Rows[UsageSum]:
        """Return what thinking cost: a row a group and currency; `limit` is of rows."""
        params = {
            "book": comma(book),
            "group_by": group_by,
            "agent_id": agent_id,
            "start_time": start_time,
            "end_time": end_time,
            "timezone": timezone,
        }
        return self._pages("/api/usage", values.USAGE_SUM, params, limit)
