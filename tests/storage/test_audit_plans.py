"""No question to the audit log reads the whole table."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from alphapulse_api.domain.deeds import HOST, Deed
from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.tables.audit import COLUMNS, AuditDataAccessor, entry_of
from tests.engines import Fresh
from tests.plans import FEW, RARE, ROWS, START, Recorder, nodes

RARE_ONES: list[dict[str, Any]] = [
    {"actor": "rare"}, {"actor": "none"}, {"action": ["user.create"]}, {"target": "rare"},
    {"target": "none"}, {"address": "192.0.2.9"}, {"action": ["user.create", "user.update"]},
    {"actor": "rare", "sort": "asc"},
    {"actor": "usual", "limit": 20}, {"action": ["user.login"], "limit": 20},
    {"start_time": START + timedelta(minutes=5), "end_time": START + timedelta(minutes=9)},
]  # fmt: skip


def _entry(number: int) -> dict[str, Any]:
    rare = number % RARE == 0
    deed = Deed(HOST, "user.create" if rare else "user.login", "rare" if rare else "ann")
    return {
        **entry_of(deed),
        "actor": "rare" if rare else "usual",
        "address": "192.0.2.9" if rare else "192.0.2.1",
        "at": START + timedelta(minutes=number),
    }


async def test_each_filter_reads_no_more_rows_than_it_shows(fresh: Fresh) -> None:
    async def fill(transaction: Transaction) -> None:
        for number in range(ROWS):
            await transaction.execute(COLUMNS.insert, *COLUMNS.store(_entry(number)))

    async with fresh() as engine:
        await engine.write(fill)
        if engine.takes_arrays:
            await engine.write(lambda transaction: transaction.fetch("ANALYZE"))
        recorder = Recorder(engine)
        audit = AuditDataAccessor(recorder)  # type: ignore[arg-type]
        for question in [{}, {"sort": "asc"}, *RARE_ONES]:
            recorder.asked.clear()
            await audit.get_audit(**question)
            ((sql, args),) = recorder.asked
            if engine.takes_arrays:
                ((plan,),) = await engine.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *args)
                for node in nodes(json.loads(plan)[0]["Plan"]):
                    assert node["Node Type"] not in ("Seq Scan", "Sort"), (question, plan)
                    assert node.get("Rows Removed by Filter", 0) <= FEW, (question, plan)
            else:
                steps = [row[3] for row in await engine.fetch(f"EXPLAIN QUERY PLAN {sql}", *args)]
                steps = [step for step in steps if " audit" in step]
                assert steps, question
                for step in steps:
                    in_order = set(question) <= {"sort"} and "audit_by_time" in step
                    assert in_order or step.startswith("SEARCH"), (question, steps)
