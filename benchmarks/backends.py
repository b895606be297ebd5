"""Entry `backends`: what the accessors cost beside the raw driver, on SQLite and PostgreSQL.

Every statement that an accessor runs is recorded with its parameters. The driver alone then runs it
again on a second database with the same rows: sqlite3 in a separate thread, as any program with an
event loop must use it, and one asyncpg connection. So the difference is the cost from the
accessor's call to its rows, without the database.

The second table extends to an answer's bytes: a route's handler and its encoding, beside orjson on
dicts of the driver's rows. Ours and the driver alternate, so that other load on the machine affects
both.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import asyncpg
import orjson

from alphapulse_api.http.codecs.formats import encoder, whole
from alphapulse_api.http.route import Call
from alphapulse_api.http.route_table import ROWS
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.postgres.connection import prepare
from alphapulse_api.storage.postgres.engine import PostgresEngine
from alphapulse_api.storage.sqlite.engine import SQLiteEngine
from alphapulse_api.storage.tables.trade_rows import COLUMNS
from tests.postgres import server

from .drivers import Noting, PostgresDriver, SQLiteDriver
from .report import print_environment, print_table

START = datetime(2026, 1, 1, tzinfo=UTC)
SERIES = 20
BATCH = 1000
TOGETHER = 64
TURNS = 20
WHEN = {"start_time": START, "end_time": START + timedelta(days=1)}
SINGLE_AIM = 1.5
BULK_AIM = 1.3
HEADER = ("what", "ours µs", "driver µs", "ratio", "aim")


@dataclass(frozen=True, slots=True)
class Question:
    """One line of a table."""

    name: str
    aim: float
    ask: Callable[[Accessors, int], Awaitable[Any]]
    """The call, given its number."""
    times: int
    together: int = 1
    """How many calls run at once; the driver alone runs them one by one."""
    names: Sequence[str] = ()
    """The columns, if bytes are measured."""


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
    questions, answers = list(_questions(divisor)), list(_answers(divisor))
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
                encoded = [await _measure(question, engines[0], driver) for question in answers]
            print(f"\n{name}: an operation, one after the other\n")
            print_table(HEADER, rows)
            print(f"\n{name}: from rows to the bytes of an uncached answer\n")
            print_table(HEADER, encoded)


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
        "the same, looked at",
        BULK_AIM,
        lambda stores, n: _looked_at(stores.trades.get_trades(limit=100)),
        few,
    )
    yield Question(
        f"read {BATCH} points",
        BULK_AIM,
        lambda stores, n: stores.metrics.get_metrics("risk", limit=BATCH, **WHEN),
        few,
    )
    yield Question(
        "the same, looked at",
        BULK_AIM,
        lambda stores, n: _looked_at(stores.metrics.get_metrics("risk", limit=BATCH, **WHEN)),
        few,
    )
    yield Question(
        "200 buckets of a series",
        SINGLE_AIM,
        lambda stores, n: stores.metrics.get_metrics(
            "risk", name="m1", aggregation="avg", max_points=200, **WHEN
        ),
        few,
    )


async def _looked_at(reading: Awaitable[Page]) -> list[dict[str, Any]]:
    return list(await reading)


def _answers(divisor: int) -> Iterator[Question]:
    for count in (100, 1000):
        yield Question(
            f"GET /api/trades, {count} rows",
            SINGLE_AIM,
            partial(_get, "/api/trades", {"limit": count}),
            200 // divisor,
            names=COLUMNS.names,
        )
        yield Question(
            f"GET /api/metrics/risk, {count} rows",
            SINGLE_AIM,
            partial(_get, "/api/metrics/{metric_type}", {"limit": count, **WHEN}),
            200 // divisor,
            names=("timestamp", "series_id", "value"),
        )


async def _get(path: str, query: Mapping[str, Any], stores: Accessors, _: int) -> bytes:
    """The endpoint's work between a query and the bytes of the response."""
    (row,) = (row for row in ROWS if (row.method, row.path) == ("GET", path))
    assert row.handler is not None
    backend: Any = SimpleNamespace(accessors=stores)
    caller: Any = None
    rows = await row.handler(Call(backend, caller, {"metric_type": "risk"}, query))
    return whole(encoder("json", row, query), rows)


async def _measure(
    question: Question, engine: Engine, driver: SQLiteDriver | PostgresDriver
) -> list[str]:
    """Measure ours and the driver's replay; both start and end with equal rows."""
    noting = Noting(engine)
    stores = Accessors(noting, 300.0, {})
    ours: list[float] = []
    raw: list[float] = []
    turn = max(question.together, question.times // TURNS)
    for first in range(0, question.times, turn):
        gc.collect()
        noting.units.clear()
        numbers = range(first, min(first + turn, question.times))
        started = time.perf_counter()
        for at in range(0, len(numbers), question.together):
            asked = (question.ask(stores, n) for n in numbers[at : at + question.together])
            await asyncio.gather(*asked)
        ours.append((time.perf_counter() - started) / len(numbers))
        started = time.perf_counter()
        for unit in noting.units:
            rows = await driver.run(unit)
            # The query of the catalogue's version has another number of columns.
            if question.names and rows and len(rows[0]) == len(question.names):
                orjson.dumps([dict(zip(question.names, row, strict=True)) for row in rows])
        raw.append((time.perf_counter() - started) / len(numbers))
    mine, drivers = median(ours), median(raw)
    ratio = mine / drivers
    judged = f"{question.aim:g}: {'met' if ratio <= question.aim else 'MISSED'}"
    return [question.name, f"{mine * 1e6:,.0f}", f"{drivers * 1e6:,.0f}", f"{ratio:.2f}", judged]
