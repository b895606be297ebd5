"""Entry `portfolio`: the history as it grows, and an update of ten of 2,000 positions."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

import asyncpg

from alphapulse_api.cache.memory import MemoryCache
from alphapulse_api.log import MemoryEventLog
from alphapulse_api.record.feed import Feed
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.portfolio.accessor import PortfolioDataAccessor
from tests.engines import connected, opened, relay_of
from tests.postgres import Postgres, server

from .report import print_environment, print_table

ENGINES: Final = ("SQLite", "PostgreSQL")
SIZES: Final = (10**4, 10**5, 10**6)  # snapshots, one a second
CALLS: Final = 9
POSITIONS: Final = 2000
TOUCHED: Final = 10
UPDATES: Final = 100
START: Final = datetime(2026, 1, 1, tzinfo=UTC)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--quick", action="store_true", help="no history of 10^6 snapshots")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    print_environment("asyncpg")
    asyncio.run(_run(SIZES[:2] if arguments.quick else SIZES))


async def _run(sizes: tuple[int, ...]) -> None:
    histories: dict[tuple[int, str], list[float]] = {}
    updates = []
    with tempfile.TemporaryDirectory() as folder, server("") as postgres:
        for name in ENGINES:
            async with opened_new(name, Path(folder) / "history.db", postgres) as (engine, url):
                stored = 0
                for size in sizes:
                    await _fill(engine, stored, size)
                    await analyze(url)
                    stored = size
                    for label, milliseconds in (await _ask(engine, size)).items():
                        histories.setdefault((size, label), []).append(milliseconds)
            async with opened_new(name, Path(folder) / "updates.db", postgres) as (engine, _):
                updates.append([name, *await _update(engine)])
    print("\nGET /api/portfolio?include_history=true, the accessor's call, p50 ms\n")
    rows = [
        [f"{size:,} snapshots, {label}", *(f"{value:.1f}" for value in values)]
        for (size, label), values in histories.items()
    ]
    print_table(("", *ENGINES), rows)
    print(f"\nAn update of {TOUCHED} of {POSITIONS:,} positions, through the feed\n")
    print_table(("", "bytes stored", "of a whole list", "CPU ms", "p50 ms"), updates)


@asynccontextmanager
async def opened_new(
    name: str, file: Path, postgres: Postgres
) -> AsyncIterator[tuple[Engine, str | None]]:
    """An empty store, and its URL if it has one."""
    if name == "SQLite":
        async with opened(file) as engine:
            yield engine, None
    else:
        url = await postgres.new()
        async with connected(url) as other:
            yield other, url


async def analyze(url: str | None) -> None:
    """Run ANALYZE, as autovacuum would have done while the history grew."""
    if url is not None:
        connection = await asyncpg.connect(url)
        await connection.execute("ANALYZE")
        await connection.close()


async def _fill(engine: Engine, stored: int, size: int) -> None:
    """Add snapshots up to `size`."""
    portfolio, random, value = PortfolioDataAccessor(engine), Random(stored), 10**8
    for first in range(stored, size, 1000):
        records = []
        for second in range(first, first + 1000):
            value += random.randint(-50_000, 50_200)
            records.append(
                {
                    "as_of": START + timedelta(seconds=second),
                    "total_value": Decimal(value) / 100,
                    "cash": Decimal(1),
                    "positions_value": Decimal(value) / 100 - 1,
                    "currency": "USD",
                }
            )
        await portfolio.add_history(records, last=first + 1000 >= size)


async def _ask(engine: Engine, size: int) -> dict[str, float]:
    """The milliseconds of each question."""
    portfolio = PortfolioDataAccessor(engine)
    last = START + timedelta(seconds=size)
    questions: dict[str, dict[str, Any]] = {
        "all": {},
        "all but odd ends": {
            "start_time": START + timedelta(seconds=777),
            "end_time": last - timedelta(seconds=1234),
        },
        "all, 2,000 points": {"max_points": 2000},
    }
    found = {}
    for label, question in questions.items():
        times = []
        for _ in range(CALLS):
            began = time.perf_counter()
            await portfolio.show_portfolio(include_history=True, **question)
            times.append(1000 * (time.perf_counter() - began))
        found[label] = statistics.median(times)
    return found


async def _update(engine: Engine) -> list[str]:
    """The bytes that an update stores, their share of a whole list, its CPU time and its time."""
    store = Accessors(engine, 300, {})
    feed = Feed(store, relay_of(store, MemoryCache(10**6), MemoryEventLog()))
    await feed.update_portfolio(_portfolio(0))
    whole = await _bytes(engine)
    bodies = [_portfolio(number) for number in range(1, UPDATES + 1)]
    times = []
    cpu = time.process_time()
    for body in bodies:
        began = time.perf_counter()
        await feed.update_portfolio(body)
        times.append(1000 * (time.perf_counter() - began))
    cpu = 1000 * (time.process_time() - cpu) / UPDATES
    each = (await _bytes(engine) - whole) / UPDATES
    return [
        f"{each:,.0f}",
        f"{100 * each / whole:.1f} %",
        f"{cpu:.1f}",
        f"{statistics.median(times):.1f}",
    ]


def _portfolio(update: int) -> dict[str, Any]:
    touched = {(TOUCHED * update + number) % POSITIONS for number in range(TOUCHED)}
    return {
        "total_value": f"{10**6 + update}.25",
        "cash": "1000",
        "positions": [
            {
                "symbol": f"SYM{number}",
                "quantity": "10.5",
                "entry_price": "101.25",
                "current_price": f"{100 + number % 50}.{update + 10 if number in touched else 5}",
                "opened_at": "2026-03-01T12:00:00Z",
            }
            for number in range(POSITIONS)
        ],
    }


async def _bytes(engine: Engine) -> int:
    ((size,),) = await engine.fetch(
        "SELECT sum(length(CAST(body AS text)) + length(CAST(performance AS text))) "
        "FROM portfolio_frames"
    )
    return int(size)
