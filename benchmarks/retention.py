"""Entry `retention`: how long writes wait while old portfolio snapshots are deleted, and how far
the file shrinks; on SQLite."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

from alphapulse_api.config import RetentionConfig
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.times import to_micros
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.retention import forget
from alphapulse_api.storage.tables.trades import TradeDataAccessor
from tests.engines import at, opened

from .backends import trade
from .report import print_environment, print_table

SNAPSHOTS: Final = 2000
POSITIONS: Final = 2000
TOGETHER: Final = 20  # snapshots a transaction, when the file is filled
PAUSE_SECONDS: Final = 0.001  # between two trades
NUMBERS: Final = count()  # of trades


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--snapshots", type=int, default=SNAPSHOTS)
    parser.add_argument("--positions", type=int, default=POSITIONS, help="of each snapshot")
    parser.add_argument("--quick", action="store_true", help="200 snapshots")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    print_environment()
    snapshots = 200 if arguments.quick else arguments.snapshots
    asyncio.run(_run(snapshots, arguments.positions))


async def _run(snapshots: int, positions: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "retention.db"
        log = path.with_name(f"{path.name}-wal")
        async with opened(path) as engine:
            await _fill(engine, snapshots, positions)
        full = path.stat().st_size
        async with opened(path) as engine:
            alone = await _waits(engine, asyncio.create_task(asyncio.sleep(2)), log)
            began = time.perf_counter()
            kept = RetentionConfig(portfolio=1.0)
            deletion = asyncio.create_task(forget(engine, kept, at(snapshots + 1000)))
            beside = await _waits(engine, deletion, log)
            seconds = time.perf_counter() - began
            left = log.stat().st_size
        rows = [
            [
                label,
                str(len(waits)),
                *(f"{1000 * wait:.1f}" for wait in _quantiles(waits)),
                _mib(size),
            ]
            for label, (waits, size) in (("alone", alone), ("beside retention", beside))
        ]
        print(f"\n{snapshots:,} snapshots of {positions:,} positions; deleted in {seconds:.1f} s\n")
        print_table(
            ("trades one by one", "trades", "p50 ms", "p99 ms", "worst ms", "WAL MiB"), rows
        )
        print(
            f"\nWrite-ahead log after it: {_mib(left)} MiB\n"
            f"File: {_mib(full)} MiB before, {_mib(path.stat().st_size)} MiB after"
        )


async def _fill(engine: Engine, snapshots: int, positions: int) -> None:
    random = Random(1)

    def held() -> str:
        rows = [
            {
                "symbol": f"SYM{n}",
                "quantity": f"{random.uniform(1, 1e4):.4f}",
                "entry_price": f"{random.uniform(1, 1e3):.2f}",
                "current_price": f"{random.uniform(1, 1e3):.2f}",
                "unrealized_pnl": f"{random.uniform(-1e4, 1e4):.2f}",
                "weight": random.random() / positions,
            }
            for n in range(positions)
        ]
        return dumps(rows).decode()

    different = [held() for _ in range(TOGETHER)]

    async def work(transaction: Transaction, first: int) -> None:
        for n, text in enumerate(different, first):
            as_of = to_micros(at(n))
            await transaction.execute(
                "INSERT INTO portfolio_snapshots VALUES ('main', $1, '1', '0', '1', 'USD', $2, 0)",
                as_of,
                n + 1,
            )
            await transaction.execute(
                "INSERT INTO portfolio_frames VALUES ('main', $1, 0, $2, '{}', $3)",
                n + 1,
                as_of,
                text,
            )

    for first in range(0, snapshots, TOGETHER):
        await engine.write(partial(work, first=first))
    await engine.write(_make_newest_current)


async def _make_newest_current(transaction: Transaction) -> None:
    await transaction.execute(
        "INSERT INTO portfolio_current "
        "SELECT 'main', max(as_of), 1, max(frame_key), 0, '', 0, 0, min(as_of) "
        "FROM portfolio_snapshots"
    )


async def _waits(engine: Engine, until: asyncio.Task[object], log: Path) -> tuple[list[float], int]:
    """The seconds that each trade waited while a task ran, and the log's largest size."""
    trades = TradeDataAccessor(engine)
    waits: list[float] = []
    largest = 0
    while not until.done():
        began = time.perf_counter()
        await trades.add_trades([trade(next(NUMBERS))])
        waits.append(time.perf_counter() - began)
        largest = max(largest, _size(log))
        await asyncio.sleep(PAUSE_SECONDS)
    await until
    return waits, largest


def _size(path: Path) -> int:
    return path.stat().st_size


def _quantiles(waits: list[float]) -> tuple[float, float, float]:
    ordered = sorted(waits)
    return ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1]


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f}"
