"""Entry `crowd`: many readers beside a writer, as the history grows.

A hundred clients ask nine questions in a closed loop, first alone and then beside trades that are
sent one by one at a fixed rate (paced_writer.py).
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Sequence
from functools import partial
from itertools import cycle
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp

from .databases import New, add_engine_option, on_each_engine
from .harness import LOAD_CORE, BenchmarkError, Server, pin, running
from .paced_writer import PacedWriter, paced_writer
from .report import print_environment, print_table
from .scale.filling import History, fill

READERS: Final = 100
WRITES_A_SECOND: Final = 50
SECONDS: Final = 10.0
WARM_UP_SECONDS: Final = 2.0
WRITE_AIM_MS: Final = 50.0
SHARE_AIM: Final = 0.5
SIZES: Final = (10**4, 10**6)
QUICK_SIZES: Final = (10**3, 10**4)
HEADER: Final = (
    "records", "GETs/s alone", "beside writes", "share", "aim", "write p50 ms", "p99", "aim ",
)  # fmt: skip


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--quick", action="store_true", help="10^3 and 10^4 records")
    add_engine_option(parser)


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    print_environment("aiohttp", "asyncpg")
    sizes = QUICK_SIZES if arguments.quick else SIZES
    on_each_engine(arguments.engine, partial(_compare, sizes))


async def _compare(sizes: Sequence[int], engine: str, new: New) -> None:
    rows = []
    for size in sizes:
        history = History(size)
        with running("stored", await new()) as server:
            async with _session(server) as session:
                await fill(session, history)
                with paced_writer(server) as writer:
                    rows.append([f"{size:,}", *await _measure(session, writer, history)])
    print(f"\n{engine}: {READERS} readers in a closed loop, {WRITES_A_SECOND} trades a second\n")
    print_table(HEADER, rows)


def _session(server: Server) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        f"http://{server.host}:{server.port}",
        headers={"Authorization": f"Bearer {server.token}"},
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None),
    )


async def _measure(
    session: aiohttp.ClientSession, writer: PacedWriter, history: History
) -> list[str]:
    pin(LOAD_CORE)
    urls = _questions(history)
    stop = asyncio.Event()
    answered = [0] * READERS

    async def rate(beside: Awaitable[Any]) -> float:
        before, began = sum(answered), time.perf_counter()
        await beside
        return (sum(answered) - before) / (time.perf_counter() - began)

    async with asyncio.TaskGroup() as tasks:
        for number in range(READERS):
            tasks.create_task(_read(session, urls, answered, number, stop))
        await asyncio.sleep(WARM_UP_SECONDS)
        alone = await rate(asyncio.sleep(SECONDS))
        writer.start(round(SECONDS * WRITES_A_SECOND), WRITES_A_SECOND)
        waits: list[float] = []

        async def until_written() -> None:
            waits.extend(await asyncio.to_thread(writer.waits))

        beside = await rate(until_written())
        stop.set()
    p50, p99 = (1000 * waits[len(waits) * share // 100] for share in (50, 99))
    fast = "met" if p99 <= WRITE_AIM_MS else "MISSED"
    kept = "met" if beside >= SHARE_AIM * alone else "MISSED"
    return [
        f"{alone:,.0f}", f"{beside:,.0f}", f"{beside / alone:.2f}", f"{SHARE_AIM:g}: {kept}",
        f"{p50:.1f}", f"{p99:.1f}", f"{WRITE_AIM_MS:g}: {fast}",
    ]  # fmt: skip


def _questions(history: History) -> list[str]:
    """Nine questions as a page of a dashboard asks them."""
    everything = {"start_time": history.start.isoformat(), "end_time": history.end.isoformat()}
    asked: tuple[tuple[str, dict[str, Any]], ...] = (
        ("/api/trades", {}),
        ("/api/trades", {"symbol": "SYM1"}),
        ("/api/trades", {"status": "rejected"}),
        ("/api/alerts", {}),
        ("/api/alerts", {"severity": "critical", "acknowledged": "false"}),
        ("/api/portfolio", {}),
        ("/api/agents", {"limit": 20}),
        ("/api/metrics/performance", {"name": "equity", "aggregation": "avg", **everything}),
        ("/api/metrics/risk/latest", {"limit": 100}),
    )
    return [f"{path}?{urlencode(query)}" for path, query in asked]


async def _read(
    session: aiohttp.ClientSession,
    urls: Sequence[str],
    answered: list[int],
    number: int,
    stop: asyncio.Event,
) -> None:
    """Ask one question after another, starting with that number, until `stop` is set."""
    for url in cycle(urls[number % len(urls) :] + urls[: number % len(urls)]):
        if stop.is_set():
            return
        async with session.get(url) as answer:
            body = await answer.read()
        if answer.status != 200:
            raise BenchmarkError(f"{answer.url}: {answer.status} {body[:500]!r}")
        answered[number] += 1
