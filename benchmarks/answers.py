"""Entry `answers`: the memory that large answers cost the server.

A server in a separate process stores trades with long metadata. Then a fresh one serves two clients
at once that read a page of 10,000, and two that export everything with gzip. After each step it
reports the peak of its resident memory (`resource.getrusage`), so each figure of the second server
includes the ones before it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from tests.postgres import server as postgres_server

from .report import print_environment, print_table

METADATA_BYTES = 60_000
BATCH = 20
READERS = 2
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
HEADER = ("MiB at the peak", "storing", "restarted", "2 pages", "2 exports", "trades a page")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--trades", type=int, default=3000, help="with 60 KB of metadata each")
    parser.add_argument("--quick", action="store_true", help="500 trades")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    trades = 500 if arguments.quick else arguments.trades
    print_environment("asyncpg")
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        rows.append(["SQLite", *_measure(f"sqlite:///{directory}/answers.db", trades)])
    with postgres_server() as postgres:
        url = asyncio.run(postgres.emptied())
        rows.append(["PostgreSQL", *_measure(url, trades)])
    print_table(HEADER, rows)


def _measure(url: str, trades: int) -> list[str]:
    with _serving(url) as (address, key, peak):
        asyncio.run(_with_session(address, key, lambda session: _store(session, trades)))
        peaks = [peak()]
    with _serving(url) as (address, key, peak):
        peaks.append(peak())
        rows = asyncio.run(_with_session(address, key, _read_pages))
        peaks.append(peak())
        asyncio.run(_with_session(address, key, _export))
        peaks.append(peak())
    return [*(f"{kib / 1024:.0f}" for kib in peaks), str(rows)]


@contextmanager
def _serving(url: str) -> Iterator[tuple[str, str, Callable[[], int]]]:
    command = [sys.executable, "-m", "benchmarks.servers.large_answers", url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        address, key = json.loads(process.stdout.readline())

        def peak() -> int:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield address, key, peak
        process.stdin.close()


async def _with_session(address: str, key: str, work: Callable[[Any], Any]) -> Any:
    async with aiohttp.ClientSession(
        address,
        headers={"X-API-Key": key},
        raise_for_status=True,
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:
        return await work(session)


async def _store(session: aiohttp.ClientSession, trades: int) -> None:
    for begin in range(0, trades, BATCH):
        batch = [_trade(number) for number in range(begin, min(trades, begin + BATCH))]
        async with session.post("/api/trades", json=batch):
            pass


def _trade(number: int) -> dict[str, Any]:
    level = {"price": 67123.5 + number, "size": 0.25, "venue": "binance"}
    levels = METADATA_BYTES // (len(json.dumps(level)) + 2)
    return {
        "id": f"t{number:06}",
        "symbol": "BTC-USD",
        "side": "buy",
        "quantity": "1",
        "price": "67123.50",
        "executed_at": (FIRST + timedelta(seconds=number)).isoformat(),
        "metadata": {"book": [level] * levels},
    }


async def _read_pages(session: aiohttp.ClientSession) -> int:
    async def read() -> int:
        async with session.get("/api/trades", params={"limit": "10000"}) as response:
            body = await response.read()
        return body.count(b'"client_order_id"')

    return (await asyncio.gather(*(read() for _ in range(READERS))))[0]


async def _export(session: aiohttp.ClientSession) -> None:
    async def read(form: str) -> None:
        async with session.get(
            "/api/trades", params={"format": form}, headers={"Accept-Encoding": "gzip"}
        ) as response:
            async for _ in response.content.iter_any():
                pass

    await asyncio.gather(*(read(form) for form in ("csv", "ndjson")))
