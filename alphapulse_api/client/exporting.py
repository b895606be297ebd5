"""The calls that export: everything that matches, in one answer that is read as it arrives."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from functools import partial
from typing import Any

from aiohttp import StreamReader

from alphapulse_api.client import values
from alphapulse_api.client.decision_rows import Decision
from alphapulse_api.client.http import segment
from alphapulse_api.client.importing import Importing
from alphapulse_api.client.pages import Export
from alphapulse_api.client.rows import (
    Alert,
    AuditEntry,
    Command,
    HistoryPoint,
    MetricPoint,
    Notification,
    Signal,
    SystemSample,
    Trade,
)
from alphapulse_api.client.values import Shape
from alphapulse_api.domain import integers


class Exporting(Importing):
    """Every export of the API as a method, with the filters of the corresponding list."""

    @abstractmethod
    def _download(
        self, path: str, params: Mapping[str, Any]
    ) -> AbstractAsyncContextManager[StreamReader]:
        """Open an authenticated GET whose answer is lines of JSON."""

    def export_trades(self, /, **filters: Any) -> Export[Trade]:
        """Every trade that matches, newest first; `filters` are those of `trades`."""
        return self._export("trades", values.TRADE, filters)

    def export_alerts(
        self, /, *, severity: str | Sequence[str] | None = None, **filters: Any
    ) -> Export[Alert]:
        """Every alert that matches, newest first; `filters` are those of `alerts`."""
        if severity is not None and not isinstance(severity, str):
            severity = ",".join(severity)
        return self._export("alerts", values.ALERT, {**filters, "severity": severity})

    def export_metrics(
        self,
        metric_type: str,
        /,
        *,
        labels: Mapping[str, str] | None = None,
        aggregation: str | Sequence[str] | None = None,
        **filters: Any,
    ) -> Export[MetricPoint]:
        """Every point or bucket, oldest first; `filters` are those of `metrics`."""
        if aggregation is not None and not isinstance(aggregation, str):
            aggregation = ",".join(aggregation)
        label = [f"{key}:{value}" for key, value in (labels or {}).items()]
        params = {**filters, "label": label, "aggregation": aggregation}
        return self._export(f"metrics/{segment(metric_type)}", values.POINT, params)

    def export_signals(self, agent_id: str, /, **filters: Any) -> Export[Signal]:
        """Every signal of an agent, newest first; `filters` are those of `signals`."""
        return self._export(f"agents/{segment(agent_id)}/signals", values.SIGNAL, filters)

    def export_decisions(self, /, **filters: Any) -> Export[Decision]:
        """Every decision with its reasoning, newest first; `filters` are those of `decisions`."""
        return self._export("decisions", values.DECISION, filters)

    def export_system(self, /, **filters: Any) -> Export[SystemSample]:
        """Every sample of components, oldest first; `filters` are those of `system`."""
        return self._export("system", values.SAMPLE, filters)

    def export_audit(
        self, /, *, action: str | Sequence[str] | None = None, **filters: Any
    ) -> Export[AuditEntry]:
        """Every entry of the audit log, newest first; `filters` are those of `audit`."""
        if action is not None and not isinstance(action, str):
            action = ",".join(action)
        return self._export("audit", values.AUDIT, {**filters, "action": action})

    def export_notifications(
        self, /, *, state: str | Sequence[str] | None = None, **filters: Any
    ) -> Export[Notification]:
        """Every notification, newest first; `filters` are those of `notifications`."""
        if state is not None and not isinstance(state, str):
            state = ",".join(state)
        return self._export("notifications", values.NOTIFICATION, {**filters, "state": state})

    def export_commands(
        self, /, *, state: str | Sequence[str] | None = None, **filters: Any
    ) -> Export[Command]:
        """Every command to agents, newest first; `filters` are those of `sent_commands`."""
        if state is not None and not isinstance(state, str):
            state = ",".join(state)
        return self._export("commands", values.COMMAND, {**filters, "state": state})

    def export_portfolio_history(
        self, *, start_time: datetime | None = None, end_time: datetime | None = None
    ) -> Export[HistoryPoint]:
        """The value of the portfolio at every update, oldest first."""
        params = {"start_time": start_time, "end_time": end_time}
        return self._export("portfolio/history", values.HISTORY, params)

    def _export(self, resource: str, shape: Shape, params: Mapping[str, Any]) -> Export[Any]:
        path = f"/api/{resource}/export"
        download = partial(self._download, path, {**params, "format": "ndjson"})
        return Export(download, lambda line: values.convert(integers.loads(line), shape))
