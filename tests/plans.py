"""The plans of the statements that an accessor asks for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from alphapulse_api.storage.engine import Engine

ROWS = 4000
RARE = 1000  # one in so many is rare
FEW = 10  # rows that an index in the listing's order may hold beside those of a frequent value
START = datetime(2026, 1, 1, tzinfo=UTC)

Ask = Callable[[Any], Awaitable[Any]]


class Recorder:
    """An engine that keeps the statements that are asked of it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.asked: list[tuple[str, Sequence[Any]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def fetch(self, sql: str, *args: Any) -> Sequence[Any]:
        self.asked.append((sql, args))
        return await self._engine.fetch(sql, *args)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)
