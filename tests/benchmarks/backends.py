"""Entry `backends`: what the accessors cost beside the raw driver, on SQLite and PostgreSQL.

Every statement that an accessor runs is noted, with its parameters, and then run once more by the
driver alone on a second database with the same rows: sqlite3 in one thread of its own, as any
program with an event loop must use it, and one asyncpg connection. What is compared is therefore
the way from the accessor's call to its dicts, less the database.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg

from alphapulse_api.data.accessors import Accessors
from alphapulse_api.data.engine import Engine
from alphapulse_api.data.engine.postgres import PostgresEngine
from alphapulse_api.data.engine.postgres_connection import prepare
from alphapulse_api.data.engine.sqlite import SQLiteEngine
from tests.postgres import server

from .report import print_environment, print_table

START = datetime(2026, 1, 1, tzinfo=UTC)
SERIES = 20
BATCH = 1000
TOGETHER = 64
SINGLE_AIM = 1.5
BULK_AIM = 1.3
HEADER = ("what", "ours µs", "driver µs", "ratio", "aim")

Statement = tuple[str, tuple[Any, ...]]
Unit = tuple[bool, list[Statement]]  # whether it writes, and its statements


class Noting:
    """An engine that notes every unit of work."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.units: list[Unit] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def fetch(self, sql: str, *args: Any) -> Any:
        self.units.append((False, [(sql, args)]))
        return await self._engine.fetch(sql, *args)

    async def write(self, work: Any) -> Any:
        statements: list[Statement] = []

        class Transaction:
            def __init__(self, transaction: Any) -> None:
                self._transaction = transaction

            async def fetch(self, sql: str, *args: Any) -> Any:
                statements.append((sql, args))
                return await self._transaction.fetch(sql, *args)

            async def execute(self, sql: str, *args: Any) -> Any:
                statements.append((sql, args))
                return await self._transaction.execute(sql, *args)

        async def noted(transaction: Any) -> Any:
            return await work(Transaction(transaction))

        self.units.append((True, statements))
        return await self._engine.write(noted)


class SQLiteDriver:
    """sqlite3 alone, in a thread, committing as durably as the engine."""

    def __init__(self, path: Path) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA synchronous = FULL")

    async def run(self, unit: Unit) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._run, unit)

    def _run(self, unit: Unit) -> None:
        writes, statements = unit
        execute = self._connection.execute
        if writes:
            execute("BEGIN IMMEDIATE")
        for sql, args in statements:
            execute(sql, args).fetchall()
        if writes:
            execute("COMMIT")

    async def close(self) -> None:
        self._thread.shutdown()
        self._connection.close()


class PostgresDriver:
    """One asyncpg connection."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def run(self, unit: Unit) -> None:
        writes, statements = unit
        if writes:
            await self._connection.execute("BEGIN")
        for sql, args in statements:
            await self._connection.fetch(sql, *args)
        if writes:
            await self._connection.execute("COMMIT")

    async def close(self) -> None:
        await self._connection.close()


@dataclass(frozen=True, slots=True)
class Question:
    """One line of the table."""

    name: str
    aim: float
    ask: Callable[[Accessors, int], Awaitable[Any]]
    """What is asked, by its number."""
    times: int
    together: int = 1
    """How many are under way at once; the driver alone has no such thing."""


def trade(number: int) -> dict[str, Any]:
    """A validated trade."""
    return {
        "id": f"t-{number}",
        "symbol": f"S{number % 50}",
        "side": "buy",
        "quantity": Decimal(10),
        "price": Decimal("187.20"),
        "value": Decimal("1872.00"),
        "order_type": "market",
        "status": "filled",
        "executed_at": START + timedelta(seconds=number),
        "metadata": {},
    }


def points(number: int) -> list[dict[str, Any]]:
    """A validated batch of metric points."""
    return [
        {
            "metric_type": "risk",
            "name": f"m{index % SERIES}",
            "timestamp": START + timedelta(seconds=number * BATCH + index),
            "value": float(index),
            "labels": {},
        }
        for index in range(BATCH)
    ]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--quick", action="store_true", help="a tenth of the operations")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    print_environment("asyncpg")
    asyncio.run(_run(10 if arguments.quick else 1))


async def _run(divisor: int) -> None:
    questions = list(_questions(divisor))
    with tempfile.TemporaryDirectory() as folder, server("") as postgres:
        for name in ("SQLite", "PostgreSQL"):
            async with AsyncExitStack() as stack:
                if name == "SQLite":
                    paths = [Path(folder) / "ours.db", Path(folder) / "driver.db"]
                    engines: list[Any] = [SQLiteEngine(str(path)) for path in paths]
                else:
                    urls = [await postgres.new(), await postgres.new()]
                    engines = [PostgresEngine(url) for url in urls]
                for engine in engines:
                    await engine.open()
                    stack.push_async_callback(engine.close)
                driver: SQLiteDriver | PostgresDriver
                if name == "SQLite":
                    driver = SQLiteDriver(paths[1])
                else:
                    connection = await asyncpg.connect(urls[1])
                    await prepare(connection)
                    driver = PostgresDriver(connection)
                stack.push_async_callback(driver.close)
                rows = [await _measure(question, engines[0], driver) for question in questions]
            print(f"\n{name}: an operation, one after the other\n")
            print_table(HEADER, rows)


def _questions(divisor: int) -> Iterator[Question]:
    many, few = 2000 // divisor, 200 // divisor
    yield Question(
        "write 1 trade",
        SINGLE_AIM,
        lambda stores, n: stores.trades.add_trades([trade(n)], one=True),
        many,
    )
    yield Question(
        f"the same, {TOGETHER} at once",
        SINGLE_AIM,
        lambda stores, n: stores.trades.add_trades([trade(10**6 + n)], one=True),
        many,
        TOGETHER,
    )
    yield Question(
        f"write {BATCH} points",
        BULK_AIM,
        lambda stores, n: stores.metrics.add_points(points(n)),
        few,
    )
    yield Question(
        "read 1 trade",
        SINGLE_AIM,
        lambda stores, n: stores.trades.get_trades(limit=1, symbol=f"S{n % 50}"),
        many,
    )
    yield Question(
        "read 100 trades",
        BULK_AIM,
        lambda stores, n: stores.trades.get_trades(limit=100),
        few,
    )
    yield Question(
        f"read {BATCH} points",
        BULK_AIM,
        lambda stores, n: stores.metrics.get_metrics("risk", name="m1", limit=BATCH),
        few,
    )
    yield Question(
        "200 buckets of a series",
        SINGLE_AIM,
        lambda stores, n: stores.metrics.get_metrics(
            "risk", name="m1", aggregation="avg", max_points=200
        ),
        few,
    )


async def _measure(
    question: Question, engine: Engine, driver: SQLiteDriver | PostgresDriver
) -> list[str]:
    """Ours, noted and replayed by the driver: both start from equal rows, and end with equal."""
    noting = Noting(engine)
    stores = Accessors(noting, 300.0, {})
    gc.collect()
    started = time.perf_counter()
    for first in range(0, question.times, question.together):
        numbers = range(first, min(first + question.together, question.times))
        await asyncio.gather(*(question.ask(stores, number) for number in numbers))
    ours = (time.perf_counter() - started) / question.times
    raw = await _replay(noting.units, driver) / question.times
    ratio = ours / raw
    judged = f"{question.aim:g}: {'met' if ratio <= question.aim else 'MISSED'}"
    return [question.name, f"{ours * 1e6:,.0f}", f"{raw * 1e6:,.0f}", f"{ratio:.2f}", judged]


async def _replay(units: Sequence[Unit], driver: SQLiteDriver | PostgresDriver) -> float:
    gc.collect()
    started = time.perf_counter()
    for unit in units:
        await driver.run(unit)
    return time.perf_counter() - started
