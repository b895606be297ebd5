"""Entry `pnl`: sums of round trips, of a short range and of everything, as history grows."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from alphapulse_api.domain.times import to_micros
from alphapulse_api.projections.pnl.accessor import PnlDataAccessor
from alphapulse_api.projections.pnl.rows import TRIPS
from alphapulse_api.storage.bulk import insert_rows
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from tests.postgres import server

from .portfolio import ENGINES, analyze, opened_new
from .report import print_environment, print_table

SIZES: Final = (10**4, 10**5, 10**6)
BATCH: Final = 5000
SYMBOLS: Final = 200
AGENTS: Final = 20
CALLS: Final = 5
START: Final = datetime(2020, 1, 1, tzinfo=UTC)
APART: Final = timedelta(minutes=3)  # two round trips: 480 a day
QUESTIONS: Final[dict[str, dict[str, Any]]] = {
    "a day by symbol": {"group_by": "symbol", "start_time": START, "end_time": START + 480 * APART},
    "all by symbol": {"group_by": "symbol"},
    "all by day in New York": {"group_by": "day", "timezone": "America/New_York"},
    "all of a symbol by month": {"group_by": "month", "symbol": "S7"},
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--quick", action="store_true", help="up to 10^5 round trips")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    print_environment("asyncpg")
    asyncio.run(_run(SIZES[:2] if arguments.quick else SIZES))


async def _run(sizes: tuple[int, ...]) -> None:
    figures: dict[tuple[int, str], list[str]] = {}
    with tempfile.TemporaryDirectory() as folder, server("") as postgres:
        for name in ENGINES:
            async with opened_new(name, Path(folder) / "pnl.db", postgres) as (engine, url):
                pnl = PnlDataAccessor(engine, MetricsDataAccessor(engine))
                stored = 0
                for size in sizes:
                    await _fill(engine, stored, size)
                    stored = size
                    await analyze(url)
                    for label, question in QUESTIONS.items():
                        text = f"{await _ask(pnl, question):,.1f}"
                        figures.setdefault((size, label), []).append(text)
    print("\nGET /api/pnl, the accessor's call, p50 ms\n")
    rows = [[f"{size:,} round trips, {label}", *texts] for (size, label), texts in figures.items()]
    print_table(("", *ENGINES), rows)


async def _fill(engine: Engine, begin: int, end: int) -> None:
    for first in range(begin, end, BATCH):
        rows = [TRIPS.store(_trip(number)) for number in range(first, min(end, first + BATCH))]

        async def work(transaction: Transaction, rows: list[Any] = rows) -> None:
            await insert_rows(transaction, TRIPS.into, rows, "", TRIPS.types)

        await engine.write(work)


def _trip(number: int) -> dict[str, Any]:
    at = to_micros(START + number * APART)
    return {
        "book": "main", "symbol": f"S{number % SYMBOLS}", "closed_at": at,
        "closing_id": f"c{number}", "opened_at": at - 1, "opening_id": f"o{number}",
        "side": "long", "quantity": Decimal(10), "entry_price": Decimal("187.2"),
        "exit_price": Decimal("188.1"), "profit": Decimal(number % 19 - 8) / 4,
        "opening_fees": {"USD": Decimal("0.35")}, "closing_fees": {"USD": Decimal("0.4")},
        "agent_id": f"agent-{number % AGENTS}", "strategy": "trend",
    }  # fmt: skip


async def _ask(pnl: PnlDataAccessor, question: dict[str, Any]) -> float:
    times = []
    for _ in range(CALLS):
        before = time.perf_counter()
        assert await pnl.get_pnl(**question)
        times.append(1000 * (time.perf_counter() - before))
    return statistics.median(times)
