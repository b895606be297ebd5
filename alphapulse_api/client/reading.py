"""The calls that read; /docs describes their parameters and answers in full."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from alphapulse_api.client import values
from alphapulse_api.client.decision_rows import Decision, Expansion, Grouping, UsageSum, Why
from alphapulse_api.client.http import Answer, segment
from alphapulse_api.client.pages import Page, Rows
from alphapulse_api.client.record_rows import TrackRecord
from alphapulse_api.client.rows import (
    Agent,
    Alert,
    AlertStatus,
    Direction,
    Me,
    MetricPoint,
    Portfolio,
    Series,
    Severity,
    Side,
    Signal,
    Sort,
    SystemSample,
    Trade,
    TradeStatus,
)
from alphapulse_api.client.values import Shape
from alphapulse_api.domain.plain import plain

Books = str | Sequence[str]
"""Ids of books, or "*" for every book that the caller may use."""


class Reading(ABC):
    """Every GET of the API as a method; subclasses define how a request is sent.

    `book` says which books the question is about. Without it, that is the caller's home book; for
    alerts and metrics, and for a record by its id, every book that the caller may use.
    """

    @abstractmethod
    async def _request(self, method: str, path: str, **options: Any) -> Answer:
        """Send an authenticated request."""

    async def me(self) -> Me:
        """Return the caller and its permissions."""
        me: Me = await self._get("/api/me", values.ME)
        return me

    def series(
        self,
        *,
        name: str | None = None,
        metric_type: str | None = None,
        limit: int | None = None,
        book: Books | None = None,
    ) -> Rows[Series]:
        """Return the series, with the time range and number of their points.

        Args:
            name: what their names begin with.
            metric_type: their type.
            limit: total number of series; default: all.
        """
        params = {"book": _comma(book), "name": name, "metric_type": metric_type}
        return self._pages("/api/metrics", values.SERIES, params, limit)

    def metrics(
        self,
        metric_type: str,
        *,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        aggregation: str | Sequence[str] | None = None,
        interval: str | None = None,
        max_points: int | None = None,
        timezone: str | None = None,
        limit: int | None = None,
        book: Books | None = None,
    ) -> Rows[MetricPoint]:
        """Return points of a type, oldest first, raw or aggregated in time buckets.

        Args:
            start_time: inclusive; default: 24 h before the end.
            end_time: exclusive; default: now.
            name: of the series.
            labels: that the series must have.
            aggregation: avg, min, max, sum, count, first, last, stddev, p50, p95, p99. A single one
                is in `value`; several are in fields of the same names.
            interval: length of a bucket: "auto", or for example "30s", "5m", "1h", "1d", "1w".
            max_points: the largest number of buckets for "auto".
            timezone: IANA zone in which hours, days and weeks begin, such as
                "America/New_York"; default: UTC.
            limit: total number of points; default: all.
        """
        params = {
            "book": _comma(book),
            "start_time": start_time,
            "end_time": end_time,
            "name": name,
            "label": _labels(labels),
            "aggregation": _comma(aggregation),
            "interval": interval,
            "max_points": max_points,
            "timezone": timezone,
        }
        path = f"/api/metrics/{segment(metric_type)}"
        return self._pages(path, values.POINT, params, limit)

    def latest_metrics(
        self,
        metric_type: str,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        limit: int | None = None,
        book: Books | None = None,
    ) -> Rows[MetricPoint]:
        """Return the newest point of every series of a type.

        Args:
            name: of the series.
            labels: that the series must have.
            limit: total number of points; default: all.
        """
        params = {"book": _comma(book), "name": name, "label": _labels(labels)}
        path = f"/api/metrics/{segment(metric_type)}/latest"
        return self._pages(path, values.POINT, params, limit)

    async def portfolio(
        self,
        *,
        include_history: bool = False,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        max_points: int | None = None,
        as_of: datetime | None = None,
        book: str | None = None,
    ) -> Portfolio:
        """Return the current portfolio, with its `history` in the range if requested.

        Args:
            as_of: return the portfolio as it was at that time. Its history ends there, so this
                cannot be combined with `end_time`.

        Raises:
            ApiError: 404 before the first portfolio is recorded, or at a time before that.
        """
        params = {
            "book": book,
            "as_of": as_of,
            "include_history": True if include_history else None,
            "start_time": start_time,
            "end_time": end_time,
            "max_points": max_points,
        }
        portfolio: Portfolio = await self._get("/api/portfolio", values.PORTFOLIO, params)
        return portfolio

    def alerts(
        self,
        *,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        severity: Severity | Sequence[Severity] | None = None,
        acknowledged: bool | None = None,
        status: AlertStatus | None = None,
        source: str | None = None,
        sort: Sort | None = None,
        limit: int | None = None,
        book: Books | None = None,
    ) -> Rows[Alert]:
        """Return alerts, newest first unless `sort` is "asc"; `limit` is the total number."""
        params = {
            "book": _comma(book),
            "start_time": start_time,
            "end_time": end_time,
            "severity": _comma(severity),
            "acknowledged": acknowledged,
            "status": status,
            "source": source,
            "sort": sort,
        }
        return self._pages("/api/alerts", values.ALERT, params, limit)

    async def alert(self, alert_id: str, *, book: str | None = None) -> Alert:
        """Return one alert."""
        alert: Alert = await self._get(
            f"/api/alerts/{segment(alert_id)}", values.ALERT, {"book": book}
        )
        return alert

    def trades(
        self,
        *,
        symbol: str | None = None,
        side: Side | None = None,
        status: TradeStatus | None = None,
        strategy: str | None = None,
        agent_id: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        sort: Sort | None = None,
        limit: int | None = None,
        book: Books | None = None,
    ) -> Rows[Trade]:
        """Return trades, newest first unless `sort` is "asc"; `limit` is the total number."""
        params = {
            "book": _comma(book),
            "symbol": symbol,
            "side": side,
            "status": status,
            "strategy": strategy,
            "agent_id": agent_id,
            "start_time": start_time,
            "end_time": end_time,
            "sort": sort,
        }
        return self._pages("/api/trades", values.TRADE, params, limit)

    async def trade(self, trade_id: str, *, book: str | None = None) -> Trade:
        """Return one trade, with the history of its states."""
        trade: Trade = await self._get(
            f"/api/trades/{segment(trade_id)}", values.TRADE, {"book": book}
        )
        return trade

    async def why(self, trade_id: str, *, book: str | None = None) -> Why:
        """Return a trade and everything that led to it."""
        why: Why = await self._get(
            f"/api/trades/{segment(trade_id)}/why", values.WHY, {"book": book}
        )
        return why

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
            "book": _comma(book),
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
            path, values.DECISION, {"book": book, "expand": _comma(expand)}
        )
        return decision

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
            "book": _comma(book),
            "group_by": group_by,
            "agent_id": agent_id,
            "start_time": start_time,
            "end_time": end_time,
            "timezone": timezone,
        }
        return self._pages("/api/usage", values.USAGE_SUM, params, limit)

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
            "book": _comma(book),
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
        params = {"book": _comma(book), "start_time": start_time, "end_time": end_time}
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
        params = {"book": _comma(book), "start_time": start_time, "end_time": end_time}
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
            "book": _comma(book),
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

    # -- requests -----------------------------------------------------------------

    async def _get(self, path: str, shape: Shape, params: Mapping[str, Any] | None = None) -> Any:
        answer = await self._request("GET", path, params=params)
        return values.tagged(values.convert(answer.content, shape), answer.headers.get("ETag"))

    def _pages(
        self, path: str, shape: Shape, params: Mapping[str, Any], limit: int | None
    ) -> Rows[Any]:
        """Make a listing with pages."""

        async def fetch(size: int, cursor: str | None) -> Page:
            return await self._page(path, shape, {**params, "limit": size, "cursor": cursor})

        return Rows(fetch, limit)

    async def _page(self, path: str, shape: Shape, params: Mapping[str, Any]) -> Page:
        answer = await self._request("GET", path, params=params)
        rows = [values.convert(row, shape) for row in answer.content]
        return Page(rows, answer.next_cursor, answer.headers.get("X-Stream-Cursor"))


def _labels(labels: Mapping[str, str] | None) -> list[str]:
    return [f"{key}:{value}" for key, value in (labels or {}).items()]


def _comma(words: str | Sequence[str] | None) -> str | None:
    words = plain(words)
    return words if words is None or isinstance(words, str) else ",".join(words)
