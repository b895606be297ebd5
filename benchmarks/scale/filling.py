"""Histories of a given size, sent to a server by `POST …/import`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

import aiohttp
import orjson

from ..harness import BenchmarkError

DAYS: Final = 200  # all histories span this, ending now, whatever their size
RARE: Final = 1000  # one record in so many has a rare value
AGENTS: Final = 100
SERIES_POINTS: Final = 10  # points for each of the short series
UNRESOLVED: Final = 50  # newest alerts, beside the rare ones
LINES: Final = 5_000  # to encode at once
Record = dict[str, Any]


class History:
    """The records of every resource, made from their numbers.

    Args:
        size: how many records each resource has; metrics have that many points in one long series,
            and as many in short ones.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.series = max(size // SERIES_POINTS, 1)
        self.end = datetime.now(UTC).replace(microsecond=0)
        self.start = self.end - timedelta(days=DAYS)

    def at(self, number: int) -> str:
        """The time of a record: evenly spread, oldest first."""
        span = timedelta(days=DAYS, seconds=-1)
        return (self.start + span * (number / self.size)).isoformat()

    def imports(self) -> dict[str, Iterator[Record]]:
        """Path of the import to the records for it."""
        numbers = range(self.size)
        imports = {
            "/api/trades/import": map(self._trade, numbers),
            "/api/alerts/import": map(self._alert, numbers),
            "/api/portfolio/history/import": map(self._snapshot, numbers),
            "/api/system/import": map(self._sample, numbers),
            "/api/metrics/import": self._points(),
        }
        for agent in range(AGENTS):
            mine = range(agent, self.size, AGENTS)
            imports[f"/api/agents/agent-{agent}/signals/import"] = map(self._signal, mine)
        return imports

    def _trade(self, number: int) -> Record:
        rare = number % RARE == 0
        return {
            "id": f"t-{number}",
            "symbol": "RARE" if rare else f"SYM{number % 50}",
            "side": "buy",
            "quantity": "10",
            "price": "187.20",
            "status": "rejected" if rare else "filled",
            "agent_id": "rare" if rare else f"agent-{number % AGENTS}",
            "strategy": "rare" if rare else "trend",
            "executed_at": self.at(number),
        }

    def _alert(self, number: int) -> Record:
        rare = number % RARE == 0
        resolved = not rare and number < self.size - UNRESOLVED
        return {
            "id": f"a-{number}",
            "title": "Drawdown",
            "message": "The drawdown passed its limit.",
            "severity": "critical" if rare else "info",
            "source": "rare" if rare else "risk",
            "created_at": self.at(number),
            "status": "resolved" if resolved else "active",
            "resolved_at": self.at(number) if resolved else None,
        }

    def _snapshot(self, number: int) -> Record:
        value = 1_000_000 + number * 7919 % 100_003
        return {"timestamp": self.at(number), "total_value": str(value), "cash": "1000"}

    def _sample(self, number: int) -> Record:
        return {
            "component": "rare" if number % RARE == 0 else f"part-{number % 10}",
            "status": "healthy",
            "timestamp": self.at(number),
            "metrics": {"cpu": 0.5},
        }

    def _signal(self, number: int) -> Record:
        return {
            "id": f"s-{number}",
            "symbol": f"SYM{number % 50}",
            "direction": "buy",
            "confidence": 0.5,
            "timestamp": self.at(number),
        }

    def _points(self) -> Iterator[Record]:
        for number in range(self.size):
            yield _point("performance", "equity", {}, self.at(number), number * 7919 % 10_007)
        for number in range(self.size):
            series = number % self.series
            labels = {"account": f"acc-{series}"}
            yield _point("risk", f"exposure-{series % 100}", labels, self.at(number), number % 97)


def _point(kind: str, name: str, labels: Record, at: str, value: float) -> Record:
    return {
        "metric_type": kind, "name": name, "labels": labels, "timestamp": at, "value": value,
    }  # fmt: skip


async def fill(session: aiohttp.ClientSession, history: History) -> float:
    """Import a history; return the seconds that it took.

    Raises:
        BenchmarkError: if the server refuses a part.
    """
    began = time.perf_counter()
    for path, records in history.imports().items():
        async with session.post(
            path, data=_lines(records), headers={"Content-Type": "application/x-ndjson"}
        ) as answer:
            if not answer.ok:
                raise BenchmarkError(f"{path}: {answer.status} {(await answer.text())[:300]}")
    return time.perf_counter() - began


async def _lines(records: Iterable[Record]) -> AsyncIterator[bytes]:
    rest = iter(records)
    while part := list(islice(rest, LINES)):
        yield b"".join(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in part)
