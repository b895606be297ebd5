"""Agents, their signals and their track records."""

from __future__ import annotations

from datetime import datetime

from alphapulse_api.client import values
from alphapulse_api.client.http import segment
from alphapulse_api.client.pages import Rows
from alphapulse_api.client.reading.requests import Books, Requests, comma
from alphapulse_api.client.record_rows import TrackRecord
from alphapulse_api.client.rows import Agent, Direction, Signal, Sort


class AgentsReading(Requests):
    """Every GET about agents as a method."""

    def agents(
        self,
        *,
        agent_type: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        limit: int | None = None,
        book: Books | None = None,
    ) -> Rows[Agent]:
        """Return agents, each as `agent` returns it; `limit` is the total number."""
        params = {
            "book": comma(book),
            "agent_type": agent_type,
            "start_time": start_time,
            "end_time": end_time,
        }
        return self._pages("/api/agents", values.AGENT, params, limit)

    async def agent(
        self,
        agent_id: str,
        *,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        book: Books | None = None,
    ) -> Agent:
        """Return one agent, with its newest 20 signals in the range (default: last 24 h)."""
        params = {"book": comma(book), "start_time": start_time, "end_time": end_time}
        agent: Agent = await self._get(f"/api/agents/{segment(agent_id)}", values.AGENT, params)
        return agent

    async def track_record(
        self,
        agent_id: str,
        *,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        book: Books | None = None,
    ) -> TrackRecord:
        """Return what the signals of an agent came to, and whether that is chance."""
        params = {"book": comma(book), "start_time": start_time, "end_time": end_time}
        path = f"/api/agents/{segment(agent_id)}/record"
        record: TrackRecord = await self._get(path, values.TRACK_RECORD, params)
        return record

    def signals(
        self,
        agent_id: str,
        *,
        symbol: str | None = None,
        direction: Direction | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        sort: Sort | None = None,
        limit: int | None = None,
        book: Books | None = None,
    ) -> Rows[Signal]:
        """Return an agent's signals, newest first unless `sort` is "asc", at most `limit`."""
        params = {
            "book": comma(book),
            "symbol": symbol,
            "direction": direction,
            "start_time": start_time,
            "end_time": end_time,
            "sort": sort,
        }
        path = f"/api/agents/{segment(agent_id)}/signals"
        return self._pages(path, values.SIGNAL, params, limit)

    async def signal(self, agent_id: str, signal_id: str, *, book: str | None = None) -> Signal:
        """Return one signal, with its thesis and what the agent saw."""
        path = f"/api/agents/{segment(agent_id)}/signals/{segment(signal_id)}"
        signal: Signal = await self._get(path, values.SIGNAL, {"book": book})
        return signal
