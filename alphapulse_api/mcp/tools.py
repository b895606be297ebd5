"""The tools: read-only questions to the dashboard, each with a short answer.

A tool's name and docstring are what the model sees of it.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import Field

from alphapulse_api.mcp.answers import answer
from alphapulse_api.mcp.callers import Call
from alphapulse_api.mcp.parameters import (
    AsOf,
    Book,
    Hours,
    Limit,
    Severity,
    Symbol,
    Until,
    range_of,
)
from alphapulse_api.mcp.reasons import Reasons
from alphapulse_api.mcp.summary import summary

POSITIONS: Final = 20
ROWS: Final = 60  # of a chart
SIGNALS: Final = 3  # newest, of each agent in a list


class Tools(Reasons):
    """The tools of one dashboard."""

    @property
    def all(self) -> tuple[Callable[..., Any], ...]:
        """Every tool, the one to begin with first."""
        return (
            self.what_happened,
            self.portfolio,
            self.trades,
            self.alerts,
            self.agents,
            self.signals,
            self.series,
            self.metrics,
            *super().all,
        )

    async def what_happened(
        self, call: Call, hours: Hours = 24, until: Until = None, book: Book = None
    ) -> str:
        """Summarize a period: value of the portfolio, trades by symbol, alerts, agents, components.

        Begin here, then ask the other tools for details.
        """
        start, _ = range_of(hours, until)
        async with self._callers.client(call) as client:
            return answer(await summary(client, start, until, book))

    async def portfolio(self, call: Call, as_of: AsOf = None, book: Book = None) -> str:
        """Show the portfolio now, or at a past time: total value, cash, largest positions."""
        async with self._callers.client(call) as client:
            found = await client.portfolio(as_of=as_of, book=book)
        positions = sorted(found["positions"], key=lambda one: abs(one["value"] or Decimal(0)))
        shown = {**found, "positions": positions[: -POSITIONS - 1 : -1]}
        return answer({**shown, "number_of_positions": len(positions)})

    async def trades(
        self,
        call: Call,
        symbol: Symbol = None,
        agent_id: str | None = None,
        hours: Hours = 24,
        until: Until = None,
        limit: Limit = 20,
        book: Book = None,
    ) -> str:
        """List orders and their executions, newest first."""
        start, end = range_of(hours, until)
        async with self._callers.client(call) as client:
            rows = await client.trades(
                symbol=symbol,
                agent_id=agent_id,
                start_time=start,
                end_time=end,
                limit=limit,
                book=book,
            )
        return answer({"trades": rows})

    async def alerts(
        self,
        call: Call,
        severity: list[Severity] | None = None,
        unresolved: Annotated[
            bool, Field(description="Only alerts that are not resolved, of any age.")
        ] = True,
        hours: Hours = 24,
        limit: Limit = 20,
    ) -> str:
        """List alerts, newest first."""
        start, _ = range_of(hours, None)
        async with self._callers.client(call) as client:
            if not unresolved:
                rows = await client.alerts(severity=severity, start_time=start, limit=limit)
                return answer({"alerts": rows})
            states = [
                await client.alerts(severity=severity, status=status, limit=limit)
                for status in ("active", "acknowledged")
            ]
        rows = sorted((row for part in states for row in part), key=lambda row: row["created_at"])
        return answer({"alerts": rows[: -limit - 1 : -1]})

    async def agents(self, call: Call, hours: Hours = 24) -> str:
        """List the agents: type, state, figures and newest signals in the last hours."""
        start, _ = range_of(hours, None)
        async with self._callers.client(call) as client:
            rows = await client.agents(start_time=start)
        shown = [{**row, "signals": row.get("signals", [])[:SIGNALS]} for row in rows]
        return answer({"agents": shown})

    async def signals(
        self, call: Call, agent_id: str, symbol: Symbol = None, limit: Limit = 20
    ) -> str:
        """List an agent's signals, newest first."""
        async with self._callers.client(call) as client:
            rows = await client.signals(agent_id, symbol=symbol, limit=limit)
        return answer({"signals": rows})

    async def series(
        self,
        call: Call,
        name: Annotated[str | None, Field(description="What the names begin with.")] = None,
        metric_type: str | None = None,
        limit: Limit = 50,
    ) -> str:
        """List the series of metrics: their types, names, labels and ranges."""
        async with self._callers.client(call) as client:
            rows = await client.series(name=name, metric_type=metric_type, limit=limit)
        return answer({"series": rows})

    async def metrics(
        self,
        call: Call,
        metric_type: str,
        name: str,
        hours: Hours = 24,
        until: Until = None,
        aggregation: Annotated[
            str, Field(description="avg, min, max, sum, count, first, last, stddev, p50, p95, p99")
        ] = "avg",
    ) -> str:
        """Show how the series of one name developed: at most 60 time buckets."""
        start, end = range_of(hours, until)
        async with self._callers.client(call) as client:
            rows = await client.metrics(
                metric_type,
                name=name,
                start_time=start,
                end_time=end,
                aggregation=aggregation,
                interval="auto",
                max_points=ROWS,
                limit=ROWS,
            )
        return answer({"points": rows})
