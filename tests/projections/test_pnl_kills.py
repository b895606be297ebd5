"""kill -9 while profit is folded: nothing is left half done."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alphapulse_api.projections.pnl.folding import fold_all
from alphapulse_api.projections.pnl.rebuild import rebuild
from alphapulse_api.storage.tables.trades import TradeDataAccessor
from tests.commands import ROOT
from tests.engines import opened
from tests.projections.test_pnl import dump, expected, trips_of

KILLS = 8
LONGEST = 0.4  # seconds between the first fold and the kill

FOLDER = """
import asyncio, random, sys
from pathlib import Path
from alphapulse_api.projections.pnl import planning
from alphapulse_api.projections.pnl.folding import fold_some
from alphapulse_api.storage.tables.trades import TradeDataAccessor
from tests.engines import opened
from tests.projections.test_pnl import order

async def main(path, name):
    planning.STEP = 5
    generator = random.Random(name)
    async with opened(Path(path)) as engine:
        store = TradeDataAccessor(engine)
        for number in range(10**9):
            await store.add_trades([
                order(f"{name}-{number}-{part}", generator.randint(0, number),
                      generator.choice(["buy", "sell"]), str(generator.randint(1, 9)), "10")
                for part in range(3)
            ])
            await fold_some(engine)
            print("folded", flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def fold_and_kill(path: Path) -> None:
    """Processes that store trades and fold them, each killed at some moment."""
    for number in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", FOLDER, str(path), f"p{number}"],
            stdout=subprocess.PIPE,
            cwd=ROOT,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"folded\n"
            time.sleep(random.uniform(0, LONGEST))
            process.kill()


@pytest.mark.kills
async def test_killed_folds_leave_nothing_half_done(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with opened(path):
        pass
    await asyncio.to_thread(fold_and_kill, path)
    async with opened(path) as engine:
        await fold_all(engine)
        trades = await TradeDataAccessor(engine).get_trades(limit=10**6)
        assert len(trades) >= 3 * KILLS
        _, trips = expected(list(trades), "BTC")
        assert await trips_of(engine) == trips
        before = await dump(engine)
        await rebuild(engine)
        assert await dump(engine) == before
