"""The questions of the entry `scale`: every listing, record, chart, export and snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from .filling import AGENTS, History

PAGES: Final = 20  # pages of 1000 rows read before a deep page


@dataclass(frozen=True, slots=True)
class Question:
    """A GET.

    Attributes:
        name: for the table.
        path: of the route.
        query: its parameters.
        deep: whether to ask for the page after `PAGES` others.
        per_row: whether the time is divided by the number of rows, as for an export.
    """

    name: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    deep: bool = False
    per_row: bool = False


def questions(history: History) -> list[Question]:
    """Every GET to measure."""
    agent = f"agent-{AGENTS // 2}"
    everything = {"start_time": history.start.isoformat(), "end_time": history.end.isoformat()}
    month = {**everything, "start_time": (history.end - timedelta(days=30)).isoformat()}
    account = f"account:acc-{history.series // 2}"
    return [
        *_listing("trades", {"symbol": "SYM1"}, {"symbol": "RARE"}, {"symbol": "SYM1,RARE"},
                  {"status": "rejected"}, {"status": "cancelled"}, {"agent_id": "rare"},
                  {"agent_id": "none"}, {"strategy": "rare"}, {"side": "buy"}),
        Question("a trade", f"/api/trades/t-{history.size // 2}"),
        *_listing("alerts", {"severity": "critical"}, {"source": "rare"}, {"source": "none"},
                  {"acknowledged": "false"}, {"severity": "critical", "acknowledged": "false"},
                  {"status": "active"}, {"status": "acknowledged"}),
        Question("an alert", f"/api/alerts/a-{history.size // 2}"),
        *_listing("system", {"component": "rare"}),
        Question("system, all in range", "/api/system", {**everything, "limit": 100}),
        Question("agents, 24 h", "/api/agents"),
        Question("agents, 30 d", "/api/agents", month),
        Question("signals of an agent", f"/api/agents/{agent}/signals"),
        Question("signals, symbol", f"/api/agents/{agent}/signals", {"symbol": "SYM7"}),
        Question("portfolio", "/api/portfolio"),
        Question("portfolio, all history", "/api/portfolio", {"include_history": "true"}),
        Question("portfolio, a month", "/api/portfolio",
                 {"include_history": "true", **month}),
        Question("portfolio as of then", "/api/portfolio",
                 {"as_of": (history.end - timedelta(days=100)).isoformat()}),
        Question("series", "/api/metrics"),
        Question("series of a type", "/api/metrics", {"metric_type": "risk"}),
        Question("series of a name", "/api/metrics", {"name": "exposure-42"}),
        Question("series, deep page", "/api/metrics", {"limit": 1000}, deep=True),
        Question("latest of a type", "/api/metrics/risk/latest"),
        Question("latest of a label", "/api/metrics/risk/latest", {"label": account}),
        Question("points, a day", "/api/metrics/performance", {"name": "equity"}),
        Question("chart, a day", "/api/metrics/performance",
                 {"name": "equity", "aggregation": "avg"}),
        Question("chart, all", "/api/metrics/performance",
                 {"name": "equity", "aggregation": "avg,min,max,stddev", **everything}),
        Question("p95, by day", "/api/metrics/performance",
                 {"name": "equity", "aggregation": "p95", "interval": "1d", **everything}),
        Question("p95, by hour", "/api/metrics/performance",
                 {"name": "equity", "aggregation": "p95", "interval": "1h", **everything}),
        Question("avg of a label", "/api/metrics/risk",
                 {"label": account, "aggregation": "avg", "interval": "1d", **everything}),
        Question("avg of all series", "/api/metrics/risk",
                 {"aggregation": "avg", "interval": "1w", **everything, "limit": 1000}),
        *(
            Question(f"export of {name}, a row", f"/api/{name}/export",
                     {**everything, "format": "ndjson"}, per_row=True)
            for name in ("trades", "alerts", "system", "metrics/performance", "portfolio/history")
        ),
    ]  # fmt: skip


def _listing(resource: str, *filters: Mapping[str, str]) -> list[Question]:
    path = f"/api/{resource}"
    return [
        Question(resource, path),
        Question(f"{resource}, deep page", path, {"limit": 1000}, deep=True),
        *(
            Question(f"{resource}, {' '.join(f'{k}={v}' for k, v in each.items())}", path, each)
            for each in filters
        ),
    ]


SNAPSHOTS: Final[tuple[tuple[str, str, Mapping[str, Any]], ...]] = (
    ("alerts", "alerts", {}),
    ("alerts, critical", "alerts", {"severities": ["critical"]}),
    ("alerts of a source", "alerts", {"sources": ["rare"]}),
    ("trades", "trades", {}),
    ("trades of a symbol", "trades", {"symbols": ["RARE"]}),
    ("portfolio", "portfolio", {}),
    ("metrics of a name", "metrics", {"names": ["equity"]}),
)
"""Snapshots on the socket: name for the table, channel, filters."""
