"""The query that every server gets, and the 100 metric points of its answer."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

COUNT = 100
METRIC_TYPE = "performance"
NAME = "sharpe"
PATH = f"/api/metrics/{METRIC_TYPE}"
TARGET = f"{PATH}?name={NAME}&limit={COUNT}"
_FILE = "points.json"


def write_points(directory: Path) -> None:
    """Write the points once for a run: a minute apart, the last one five minutes ago."""
    last = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=5)
    times = [last - timedelta(minutes=COUNT - 1 - i) for i in range(COUNT)]
    points = [
        {
            "metric_type": METRIC_TYPE,
            "name": NAME,
            "timestamp": times[i].strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
            "value": round(1.5 + math.sin(i / 7), 4),
            "labels": {"strategy": "momentum-1", "symbol": "BTC-USD"},
        }
        for i in range(COUNT)
    ]
    (directory / _FILE).write_text(json.dumps(points))


def read_points(directory: str) -> list[dict[str, Any]]:
    """Read the points in a server process, from the directory."""
    points: list[dict[str, Any]] = json.loads((Path(directory) / _FILE).read_text())
    return points
