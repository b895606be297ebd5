"""The plans of retention's deletions on SQLite: they find rows by their keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api.config import RetentionConfig
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.retention import forget
from alphapulse_api.storage.retention.records import TABLES
from tests.engines import at, opened
from tests.storage.test_retention import DAY, Watched, fill


class Explained(Watched):
    """Keeps the statements by which rows are deleted."""

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        self.executed: list[tuple[str, Any]] = []

    def note(self, sql: str, args: Sequence[Any]) -> None:
        self.executed.append((sql, args))


@pytest.mark.parametrize("resource", [*TABLES, "portfolio"])
async def test_a_deletion_seeks_its_rows_by_their_keys(tmp_path: Path, resource: str) -> None:
    async with opened(tmp_path / "test.db") as engine:
        await fill(Accessors(engine, 300, {}), 3)
        explained = Explained(engine)
        kept = RetentionConfig(**{resource: 60.0})
        await forget(explained, kept, at(DAY))  # type: ignore[arg-type]
        assert explained.executed
        for sql, args in explained.executed:
            plan = [row[3] for row in await engine.fetch(f"EXPLAIN QUERY PLAN {sql}", *args)]
            scanned = {line.split()[1] for line in plan if line.startswith("SCAN")}
            assert scanned <= {"json_each", "portfolio_current"}
            assert not [line for line in plan if "<?" in line or ">?" in line]
