"""kill -9 of a process that stores decisions: none is left half written."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands import ROOT

# Stores decisions until it is killed; each has a text, symbols, two signals and a trade.
WRITER = """
import asyncio, sys, uuid
from alphapulse_api import Config, Dashboard

def decision():
    id_ = uuid.uuid4().hex
    signal = {"symbol": "AAPL", "direction": "buy", "thesis": "Cheap. " * 100}
    trade = {"symbol": "TSLA", "side": "buy", "quantity": 1, "price": 2}
    return {
        "id": id_, "agent_id": "manager", "reasoning": "Because. " * 50,
        "signals": [{**signal, "id": f"{id_}-{n}"} for n in range(2)],
        "trades": [{**trade, "id": id_}],
    }

async def main():
    config = Config.from_mapping({"database": {"url": sys.argv[1]}})
    async with Dashboard(config, serve=False) as dashboard:
        while True:
            await dashboard.feed.record_decisions_batch([decision() for _ in range(20)])
            await asyncio.gather(*(dashboard.feed.record_decision(decision()) for _ in range(5)))
            print("stored", flush=True)

asyncio.run(main())
"""
LONGEST = 0.2  # seconds between a batch and the kill
# Of each table, the rows of a decision.
WHOLE = {
    "decision_texts": 1, "decision_symbols": 2, "decision_signals": 2, "decision_trades": 1,
    "trades": 1, "signals": 2, "signal_texts": 2,
}  # fmt: skip


@pytest.mark.parametrize(
    "kills",
    [
        2,
        pytest.param(100, marks=[pytest.mark.kills, pytest.mark.timeout(900)]),
    ],
)
async def test_no_decision_is_left_half_written(tmp_path: Path, kills: int) -> None:
    file = tmp_path / "decisions.db"
    before = 0
    for _ in range(kills):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, f"sqlite:///{file}",
            cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        assert await process.stdout.readline() == b"stored\n"
        await asyncio.sleep(random.uniform(0, LONGEST))
        process.kill()
        await process.communicate()
        with closing(sqlite3.connect(file)) as database:
            ((count,),) = database.execute("SELECT count(*) FROM decisions")
            assert count >= before + 25
            for table, rows in WHOLE.items():
                ((found,),) = database.execute(f"SELECT count(*) FROM {table}")
                assert found == count * rows, table
        before = count
