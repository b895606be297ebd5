"""Parameters of paths and queries, and headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

# By the name of the parameter, and also by the tag where it means different things. Importers send
# all parameters of an operation at once, so these must fit together: `as_of` has no example because
# it takes the place of `end_time`.
PARAMETERS: Final[Mapping[str | tuple[str, str], Any]] = {
    "metric_type": "risk",
    "token": "whk_0b6a2f1e_9c3d4a5b8e7f6071",
    ("alerts", "id"): "a-1",
    ("trades", "id"): "t-1",
    ("books", "id"): "beta",
    "mode": "paper",
    ("agents", "id"): "momentum-1",
    ("decisions", "id"): "d-1",
    ("decisions", "agent_id"): "manager",
    ("usage", "agent_id"): "analyst",
    "group_by": "agent",
    ("metrics", "book"): "*",
    "signal_id": "s-1",
    "cycle_id": "c-1",
    "expand": ["signals", "cost"],
    "start_time": "2026-01-31T00:00:00Z",
    "end_time": "2026-02-01T00:00:00Z",
    "limit": 100,
    "cursor": "",
    "name": "var_95",
    "label": ["desk:equity"],
    "aggregation": ["avg", "p95"],
    "interval": "5m",
    "max_points": 500,
    "timezone": "America/New_York",
    "include_history": True,
    "severity": ["error", "critical"],
    "acknowledged": False,
    ("alerts", "status"): "active",
    "source": "risk",
    "symbol": "AAPL",
    "side": "buy",
    ("trades", "status"): "filled",
    "strategy": "momentum",
    "agent_id": "momentum-1",
    "agent_type": "momentum",
    "direction": "buy",
    "component": "feed",
    "actor": "ann",
    "action": ["alert.acknowledge", "alert.resolve"],
    "target": "a-1",
    "address": "192.0.2.17",
    "on_error": "continue",
    "sort": "desc",
    "format": "csv",
    "spreadsheet": False,
    "currency": "USD",
    "book": "main",
    "If-Match": "*",
    "If-None-Match": '"5f0c2a91d3b84e6f"',
}
