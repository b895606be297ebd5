"""Entry `space`: the bytes of the database for a point and a trade, and of memory for an event.

Points arrive as from a feed, in the order of time over all series, so that the pages of the
database are as full as in practice. The time between the points of a series decides how many share
a rollup. Write-ahead logs do not count, nor does the space that PostgreSQL's VACUUM returns.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import tempfile
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig, EventsConfig
from alphapulse_api.log import EventLog
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from alphapulse_api.storage.tables.trades import TradeDataAccessor
from tests import view
from tests.engines import connected, opened, point
from tests.postgres import Postgres, server

from .backends import trade
from .report import print_environment, print_table

SERIES = 100
INSTANTS = 10  # points of each series in a batch
BATCH = SERIES * INSTANTS
APART = (1, 10, 60)  # seconds between the points of a series
ENGINES = ("SQLite", "PostgreSQL")
EVENTS = 10_000

Write = Callable[[Engine, int], Awaitable[object]]
"""Stores the batch of that number."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--points", type=int, default=10**6, help=f"over {SERIES} series")
    parser.add_argument("--quick", action="store_true", help="10^5 points")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    points = 10**5 if arguments.quick else arguments.points
    print_environment("asyncpg")
    asyncio.run(_run(points))


async def _run(points: int) -> None:
    trades = points // 10
    writes: list[tuple[str, Write, int]] = [
        (f"a point, {apart} s after the one before", _points(apart), points) for apart in APART
    ]
    writes.append(("a trade", _trades, trades))
    rows = []
    with tempfile.TemporaryDirectory() as folder, server("") as postgres:
        for label, write, count in writes:
            sizes = [
                await _growth(_opened(name, Path(folder) / f"{label}.db", postgres), write, count)
                for name in ENGINES
            ]
            rows.append([label, *[f"{size / count:.0f}" for size in sizes]])
    print(f"\nBytes of the database; {points:,} points over {SERIES} series, {trades:,} trades\n")
    print_table(("", *ENGINES), rows)
    rows = [
        ["a metric event, not delivered", *await _events("metrics", delivered=False)],
        ["the same, delivered", *await _events("metrics", delivered=True)],
        ["a trade event, delivered", *await _events("trades", delivered=True)],
        ["a series", "", await _series()],
    ]
    print(f"\nBytes of memory: events in the log, series in the catalogue, {EVENTS:,} of each\n")
    print_table(("", "as sent", "in memory"), rows)


def _points(apart: int) -> Write:
    async def write(engine: Engine, number: int) -> None:
        await MetricsDataAccessor(engine).add_points(_batch(number, apart))

    return write


def _batch(number: int, apart: int) -> list[dict[str, Any]]:
    first = number * INSTANTS
    return [
        point(f"m{series}", apart * instant, 0.01 * instant + series)
        for instant in range(first, first + INSTANTS)
        for series in range(SERIES)
    ]


async def _trades(engine: Engine, number: int) -> None:
    await TradeDataAccessor(engine).add_trades([trade(number * BATCH + n) for n in range(BATCH)])


@asynccontextmanager
async def _opened(
    name: str, file: Path, postgres: Postgres
) -> AsyncIterator[tuple[Engine, str | None]]:
    """An empty store, and its URL if it has one."""
    if name == "SQLite":
        async with opened(file) as engine:
            yield engine, None
    else:
        url = await postgres.new()
        async with connected(url) as engine:
            yield engine, url


async def _growth(store: Any, write: Write, count: int) -> int:
    """The bytes by which the database grows when `count` records are stored."""
    async with store as (engine, url):
        before = await _size(engine, url)
        for number in range(count // BATCH):
            await write(engine, number)
        return await _size(engine, url) - before


async def _size(engine: Engine, url: str | None) -> int:
    if url is None:
        ((pages,),) = await engine.fetch("SELECT page_count FROM pragma_page_count")
        ((size,),) = await engine.fetch("SELECT page_size FROM pragma_page_size")
        return int(pages) * int(size)
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT pg_database_size(current_database())"))
    finally:
        await connection.close()


async def _events(channel: str, *, delivered: bool) -> list[str]:
    """The bytes of JSON and of memory for an event of the channel, as the feed makes it."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config(
            port=0,
            database=DatabaseConfig(url=f"sqlite:///{folder}/space.db"),
            events=EventsConfig(history_size=EVENTS),
        )
        async with Dashboard(config, first_user=False) as dashboard:
            feed, log = dashboard.feed, view.backend(dashboard).events
            began = log.cursor(channel)
            with _weighed() as kept:
                for number in range(EVENTS // BATCH):
                    if channel == "metrics":
                        await feed.record_metrics(_batch(number, 1))
                    else:
                        await feed.record_trades([trade(number * BATCH + n) for n in range(BATCH)])
                if delivered:
                    _sent(log, channel, began)
            sent = _sent(log, channel, began)
    return [f"{sent / EVENTS:.0f}", f"{kept[0] / EVENTS:.0f}"]


def _sent(log: EventLog, channel: str, began: str) -> int:
    """The bytes of all messages, each of which is encoded."""
    events = log.since(channel, began)
    assert events is not None
    assert len(events) == EVENTS
    return sum(len(event.text) for event in events)


async def _series() -> str:
    with tempfile.TemporaryDirectory() as folder:
        async with opened(Path(folder) / "space.db") as engine:
            metrics = MetricsDataAccessor(engine)
            await metrics.add_points([point("first", 0, 0.0, host="first")])
            with _weighed() as kept:
                await metrics.add_points(
                    [
                        point(f"m{number}", 0, 1.0, host=f"h{number % 10}")
                        for number in range(EVENTS)
                    ]
                )
    return f"{kept[0] / EVENTS:.0f}"


@contextmanager
def _weighed() -> Iterator[list[int]]:
    """The bytes allocated in the block and not freed; they are in the list after the block."""
    kept: list[int] = []
    gc.collect()
    tracemalloc.start()
    try:
        yield kept
        gc.collect()
        kept.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
