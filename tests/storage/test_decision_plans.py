"""The statements about decisions seek their rows by indexes, however many there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alphapulse_api.domain.books import MAIN
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.stores import NONE_SET
from tests.engines import at, opened
from tests.records import decision, trade


class Explained:
    """Keeps the statements that are read."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.read: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def fetch(self, sql: str, *args: Any) -> Any:
        self.read.append((sql, args))
        return await self._engine.fetch(sql, *args)


async def test_a_chain_and_its_listings_scan_no_table(tmp_path: Path) -> None:
    async with opened(tmp_path / "test.db") as engine:
        explained = Explained(engine)
        store = Accessors(explained, 300, {})  # type: ignore[arg-type]
        made = [decision("d1", signal_ids=["s1"], book=MAIN), decision("d2", 1, corrects="d1")]
        await store.decisions.add_decisions(made, server_set=[NONE_SET] * 2)
        await store.trades.add_trades([trade("t1", decision_id="d1")])
        explained.read.clear()
        await store.decisions.explain_trade("t1")
        await store.decisions.get_decision("d1", ["signals", "trades", "cost"])
        for query in ({}, {"agent_id": "m1"}, {"symbol": "BTC"}, {"cycle_id": "c"}):
            for sort in ("asc", "desc"):
                page = store.decisions.get_decisions(**query, sort=sort, end_time=at(9))
                assert len(await page) == (0 if "cycle_id" in query else 2)
        assert len(explained.read) > 10
        for sql, args in explained.read:
            plan = [row[3] for row in await engine.fetch(f"EXPLAIN QUERY PLAN {sql}", *args)]
            scanned = {line.split()[1] for line in plan if line.startswith("SCAN")}
            assert scanned <= {"keys", "2-ROW", "CONSTANT", "books"}, (sql, plan)
            assert not [line for line in plan if "TEMP B-TREE" in line], (sql, plan)
            wide = [line for line in plan if "corrects = " in sql and "decisions_by_book " in line]
            assert not wide, (sql, plan)
