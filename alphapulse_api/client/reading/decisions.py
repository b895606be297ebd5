"""Decisions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from alphapulse_api.client import values
from alphapulse_api.client.decision_rows import Decision, Expansion
from alphapulse_api.client.http import segment
from alphapulse_api.client.pages import Rows
from alphapulse_api.client.reading.requests import Books, Requests, comma
from alphapulse_api.client.rows import Sort


class DecisionsReading(Requests):
    """Every GET about decisions as a method."""

    def decisions(
        self,
        *,
        agent_id: str | None = None,
        symbol: str | None = None,
        cycle_id: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        sort: Sort | None = None,
        limit: int | None = None,
        book: Books | None = None,
    ) -> Rows[Decision]:
        """Return decisions, newest first unless `sort` is "asc"; `limit` is the total number."""
        params = {
            "book": comma(book),
            "agent_id": agent_id,
            "symbol": symbol,
            "cycle_id": cycle_id,
            "start_time": start_time,
            "end_time": end_time,
            "sort": sort,
        }
        return self._pages("/api/decisions", values.DECISION, params, limit)

    async def decision(
        self,
        decision_id: str,
        *,
        expand: Expansion | Sequence[Expansion] | None = None,
        book: str | None = None,
    ) -> Decision:
        """Return one decision, with its reasoning and the whole records that `expand` names."""
        path = f"/api/decisions/{segment(decision_id)}"
        decision: Decision = await self._get(
            path, values.DECISION, {"book": book, "expand": comma(expand)}
        )
        return decision
