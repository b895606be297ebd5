"""The calls that write; each is idempotent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import uuid_utils

from alphapulse_api.client import values
from alphapulse_api.client.http import segment
from alphapulse_api.client.reading import Reading
from alphapulse_api.client.rows import (
    Agent,
    AgentState,
    Alert,
    BatchResult,
    OnError,
    Portfolio,
    Signal,
    SystemSample,
    Trade,
)
from alphapulse_api.client.values import Shape

Record = Mapping[str, Any]


class Writing(Reading):
    """Every POST and PUT of the API as a method."""

    async def record_metrics(self, points: Record | Sequence[Record]) -> int:
        """Record one metric point, or up to 10000, all or none; return their number."""
        at = datetime.now(UTC)
        given = [points] if isinstance(points, Mapping) else points
        body = [{"timestamp": at, **point} for point in given]
        accepted: int = (await self._send("POST", "/api/metrics", body))["accepted"]
        return accepted

    async def update_portfolio(self, portfolio: Record) -> Portfolio:
        """Record the portfolio as of `as_of` (default: now); return it as stored."""
        body = {"as_of": datetime.now(UTC), **portfolio}
        stored: Portfolio = await self._send("PUT", "/api/portfolio", body, values.PORTFOLIO)
        return stored

    async def raise_alert(self, alert: Record) -> Alert:
        """Raise an alert; return it as stored."""
        stored: Alert = await self._send("POST", "/api/alerts", _named(alert), values.ALERT)
        return stored

    async def acknowledge_alert(
        self, alert_id: str, *, comments: str | None = None, user: str | None = None
    ) -> Alert:
        """Acknowledge an alert; a second time changes nothing.

        Args:
            alert_id: of the alert.
            comments: free text.
            user: who acknowledges; default: the caller. Only admins may name another user.
        """
        given = {"comments": comments, "user": user}
        body = {name: value for name, value in given.items() if value is not None}
        path = f"/api/alerts/{segment(alert_id)}/acknowledge"
        alert: Alert = await self._send("POST", path, body, values.ALERT)
        return alert

    async def resolve_alert(self, alert_id: str) -> Alert:
        """Resolve an alert; a second time changes nothing."""
        path = f"/api/alerts/{segment(alert_id)}/resolve"
        alert: Alert = await self._send("POST", path, {}, values.ALERT)
        return alert

    async def record_trade(self, trade: Record) -> Trade:
        """Record a trade; return it as stored."""
        stored: Trade = await self._send("POST", "/api/trades", _named(trade), values.TRADE)
        return stored

    async def record_trades(self, trades: Sequence[Record]) -> int:
        """Record up to 10000 trades, all or none; return their number."""
        body = [_named(trade) for trade in trades]
        accepted: int = (await self._send("POST", "/api/trades", body))["accepted"]
        return accepted

    async def record_trades_batch(
        self, trades: Sequence[Record], *, on_error: OnError = "stop"
    ) -> BatchResult:
        """Record up to 10000 trades; return a result for each.

        Args:
            trades: the records.
            on_error: "continue" records the valid trades even if others are refused.
        """
        return await self._send_batch("trades", [_named(trade) for trade in trades], on_error)

    async def record_metrics_batch(
        self, points: Sequence[Record], *, on_error: OnError = "stop"
    ) -> BatchResult:
        """Record up to 10000 metric points; return a result for each.

        Args:
            points: the records.
            on_error: "continue" records the valid points even if others are refused.
        """
        at = datetime.now(UTC)
        body = [{"timestamp": at, **point} for point in points]
        return await self._send_batch("metrics", body, on_error)

    async def update_agent(
        self,
        agent_id: str,
        *,
        agent_type: str | None = None,
        state: AgentState | None = None,
        metrics: Mapping[str, float | None] | None = None,
    ) -> Agent:
        """Update an agent; fields that are left out keep their values. Return the agent."""
        given = {"agent_type": agent_type, "state": state, "metrics": metrics}
        body = {name: value for name, value in given.items() if value is not None}
        path = f"/api/agents/{segment(agent_id)}"
        agent: Agent = await self._send("PUT", path, body, values.AGENT)
        return agent

    async def record_signal(self, agent_id: str, signal: Record) -> Signal:
        """Record an agent's signal; return it as stored."""
        path = f"/api/agents/{segment(agent_id)}/signals"
        stored: Signal = await self._send("POST", path, _named(signal), values.SIGNAL)
        return stored

    async def report_system(self, sample: Record) -> SystemSample:
        """Record a sample of a component; return it as stored."""
        body = {"timestamp": datetime.now(UTC), **sample}
        stored: SystemSample = await self._send("POST", "/api/system", body, values.SAMPLE)
        return stored

    async def _send_batch(self, resource: str, body: Any, on_error: OnError) -> BatchResult:
        path = f"/api/{resource}/batch"
        answer = await self._request("POST", path, params={"on_error": on_error}, body=body)
        result: BatchResult = answer.content
        return result

    async def _send(self, method: str, path: str, body: Any, shape: Shape = values.PLAIN) -> Any:
        answer = await self._request(method, path, body=body)
        return values.convert(answer.content, shape)


def _named(record: Record) -> dict[str, Any]:
    """Add an id, sortable by time, unless the record has one."""
    return {"id": str(uuid_utils.uuid7()), **record}
