"""Entry `history`: how fast a history is imported, on SQLite and PostgreSQL, and imported again.

`feed.import_history` imports trades without ids and an equity curve, in the host's own loop and by
a dashboard in a process beside it. Rows a second are measured from the call to its result.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import AuthConfig, DatabaseConfig, LoggingConfig
from alphapulse_api.record.importing import Imported
from tests.postgres import Postgres, server

from .harness import BenchmarkError
from .report import print_environment, print_table

AIM: Final = 1_000_000 / 60  # trades a second
BEGIN: Final = datetime(2020, 1, 1, tzinfo=UTC)
STEP: Final = timedelta(seconds=13)
SYMBOLS: Final = ("BTC-USD", "ETH-USD", "AAPL")
WAYS: Final = ("own loop", "in_process")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--rows", type=int, default=100_000, help="trades, and as many points")
    parser.add_argument("--quick", action="store_true", help="10,000 rows")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    print_environment("asyncpg")
    rows = 10_000 if arguments.quick else arguments.rows
    table = []
    with tempfile.TemporaryDirectory() as folder, server("") as postgres:
        for way in WAYS:
            for engine in ("SQLite", "PostgreSQL"):
                path = f"sqlite:///{folder}/{way}.db"
                url = path if engine == "SQLite" else _new(postgres)
                table.append([way, engine, *_measured(way, _config(url), rows)])
    print(f"\n{rows:,} trades and {rows:,} points of an equity curve, rows a second\n")
    print_table(("way", "engine", "trades", f"aim {AIM:,.0f}", "again", "equity"), table)


def _measured(way: str, config: Config, rows: int) -> list[str]:
    trades, equity = list(_trades(rows)), list(_equity(rows))
    seconds = _imported(way, config, [{"trades": trades}, {"trades": trades}, {"equity": equity}])
    new, again, points = (rows / each for each in seconds)
    return [
        f"{new:,.0f}",
        "met" if new >= AIM else "missed",
        f"{again:,.0f}",
        f"{points:,.0f}",
    ]


def _imported(way: str, config: Config, histories: list[dict[str, Any]]) -> list[float]:
    if way == "own loop":
        return asyncio.run(_own_loop(config, histories))
    with Dashboard.in_process(config, serve=False) as feed:
        seconds: list[float] = []
        for history in histories:
            begin = time.perf_counter()
            _check(feed.import_history(**history, timeout=None), history, seconds)
            seconds.append(time.perf_counter() - begin)
        return seconds


async def _own_loop(config: Config, histories: list[dict[str, Any]]) -> list[float]:
    async with Dashboard(config, serve=False) as dashboard:
        seconds: list[float] = []
        for history in histories:
            begin = time.perf_counter()
            _check(await dashboard.feed.import_history(**history), history, seconds)
            seconds.append(time.perf_counter() - begin)
        return seconds


def _check(imported: Imported, history: dict[str, Any], before: list[float]) -> None:
    """Check that the second import of the trades changes nothing."""
    expected = 0 if len(before) == 1 else len(next(iter(history.values())))
    if sum(imported) != expected:
        raise BenchmarkError(f"{imported} of {expected} rows were imported")


def _config(url: str) -> Config:
    return Config(
        port=0,
        auth=AuthConfig(jwt_secret="x" * 48),
        database=DatabaseConfig(url=url),
        logging=LoggingConfig(level="warning"),
    )


def _new(postgres: Postgres) -> str:
    return asyncio.run(postgres.new())


def _trades(rows: int) -> Iterator[dict[str, Any]]:
    for number in range(rows):
        yield {
            "symbol": SYMBOLS[number % len(SYMBOLS)],
            "side": "buy" if number % 2 else "sell",
            "quantity": f"{number % 97 + 1}.5",
            "price": f"{100 + number % 991}.{number % 100:02}",
            "fee": "0.10",
            "strategy": "mean-reversion",
            "executed_at": BEGIN + number * STEP,
        }


def _equity(rows: int) -> Iterator[tuple[datetime, float]]:
    for number in range(rows):
        yield BEGIN + number * STEP, 100_000 + number % 1009 / 7
