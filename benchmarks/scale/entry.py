"""Fill, ask and compare. The server runs in the benchmark's own event loop, so that the statements
of a question can be seen: times include the client's, which is the same at every size."""

from __future__ import annotations

import argparse
import json
import secrets
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Final

import aiohttp

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import AuthConfig, DatabaseConfig, LoggingConfig, RateLimitConfig
from alphapulse_api.storage.engine import Engine
from tests.view import backend

from ..databases import New, add_engine_option, on_each_engine
from ..harness import BenchmarkError
from ..report import print_environment, print_table
from .filling import DAYS, History, fill
from .questions import PAGES, SNAPSHOTS, Question, questions

SIZES: Final = (10**4, 10**5, 10**6)
QUICK_SIZES: Final = (10**3, 10**4)
TIMES: Final = 7  # a question is asked; the median counts
FLAT: Final = 2.0  # for a larger ratio of the largest to the smallest size, the plan is printed
FAST_MS: Final = 2.0  # faster answers count as flat: a request alone takes as long
EXPORT_TIMES: Final = 1
Statement = tuple[str, Sequence[Any]]


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
    """Ask every question at every size; print a table, and the plans of questions that grow."""
    took: dict[str, list[float]] = {}
    statements: dict[str, list[str]] = {}
    for size in sizes:
        history = History(size)
        async with _serving(await new()) as (dashboard, session, key):
            seconds = await fill(session, history)
            print(f"{engine}, {size:,} records a resource: imported in {seconds:.0f} s", flush=True)
            asked = backend(dashboard).engine
            if asked.takes_arrays:
                await asked.write(lambda transaction: transaction.fetch("ANALYZE"))
            for name, ask in _all(history, session, dashboard.url, key):
                times, plan = await _measured(asked, ask)
                took.setdefault(name, []).append(times)
                statements[name] = plan
    header = ("question, ms", *(f"{size:,}" for size in sizes), "largest to smallest")
    rows = []
    growing = []
    for name, times in took.items():
        ratio = times[-1] / times[0]
        rows.append([name, *(f"{t:.2f}" for t in times), f"{ratio:.1f}"])
        if ratio > FLAT and times[-1] > FAST_MS:
            growing.append(name)
    print(f"\n{engine}: a history of {DAYS} days; exports in ms a thousand rows\n")
    print_table(header, rows)
    for name in growing:
        print(f"\n{name} grows:", *statements[name], sep="\n  ")
    print(flush=True)


@asynccontextmanager
async def _serving(url: str) -> AsyncIterator[tuple[Dashboard, aiohttp.ClientSession, str]]:
    """A dashboard on that database, a session with a key of all rights, and its address."""
    config = Config(
        port=0,
        database=DatabaseConfig(url=url),
        auth=AuthConfig(jwt_secret=secrets.token_hex(32)),
        rate_limit=RateLimitConfig(enabled=False),
        logging=LoggingConfig(level="error"),
    )
    async with Dashboard(config, first_user=False) as dashboard:
        scopes = {"publish", "view_metrics", "view_trades", "view_alerts", "view_agents",
                  "view_portfolio", "view_system"}  # fmt: skip
        _, key = await dashboard.accounts.create_api_key("scale", scopes)
        headers = {"X-API-Key": key, "Cache-Control": "no-cache"}
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(
            dashboard.url, headers=headers, timeout=timeout
        ) as session:
            yield dashboard, session, key


def _all(
    history: History, session: aiohttp.ClientSession, url: str, key: str
) -> Iterator[tuple[str, Callable[[], Awaitable[float]]]]:
    """Every question's name, and a function that asks it and returns the milliseconds."""

    def getting(question: Question) -> Callable[[], Awaitable[float]]:
        return lambda: _get(session, question)

    def snapshotting(channel: str, filters: Any) -> Callable[[], Awaitable[float]]:
        return lambda: _snapshot(url, key, channel, filters)

    for question in questions(history):
        yield question.name, getting(question)
    for name, channel, filters in SNAPSHOTS:
        yield f"snapshot of {name}", snapshotting(channel, filters)


async def _measured(engine: Engine, ask: Callable[[], Awaitable[float]]) -> tuple[float, list[str]]:
    """The median milliseconds of a question, and the plan of its slowest statement."""
    first = await ask()
    times = [await ask() for _ in range(TIMES if first < 1000 else EXPORT_TIMES)]
    with _noted(engine) as asked:
        await ask()
    plan: list[str] = []
    if asked:
        _, sql, args = max(asked, key=lambda each: each[0])
        plan = [" ".join(sql.split()), *await _plan(engine, sql, args)]
    return statistics.median(times), plan


@contextmanager
def _noted(engine: Any) -> Iterator[list[tuple[float, str, Sequence[Any]]]]:
    """The engine's statements in the block: seconds, statement, parameters."""
    asked: list[tuple[float, str, Sequence[Any]]] = []
    fetch = engine.fetch

    async def noting(sql: str, *args: Any) -> Any:
        began = time.perf_counter()
        rows = await fetch(sql, *args)
        asked.append((time.perf_counter() - began, sql, args))
        return rows

    engine.fetch = noting
    try:
        yield asked
    finally:
        del engine.fetch


async def _plan(engine: Engine, sql: str, args: Sequence[Any]) -> list[str]:
    if engine.takes_arrays:
        return [row[0] for row in await engine.fetch(f"EXPLAIN {sql}", *args)]
    return [row[3] for row in await engine.fetch(f"EXPLAIN QUERY PLAN {sql}", *args)]


async def _get(session: aiohttp.ClientSession, question: Question) -> float:
    query = dict(question.query)
    if question.deep:
        query["cursor"] = await _cursor(session, question.path, query)
    began = time.perf_counter()
    async with session.get(question.path, params=query) as answer:
        body = await answer.read()
    took = 1000 * (time.perf_counter() - began)
    if answer.status not in (200, 422):  # a bound that the server states is an answer, too
        raise BenchmarkError(f"{answer.url}: {answer.status} {body[:500]!r}")
    return took / (body.count(b"\n") / 1000) if question.per_row else took


async def _cursor(session: aiohttp.ClientSession, path: str, query: dict[str, Any]) -> str:
    """The cursor after some pages; of the last page but one, if there are fewer."""
    known = ""
    for _ in range(PAGES):
        following = {"cursor": known} if known else {}
        async with session.get(path, params={**query, **following}) as answer:
            await answer.read()
        if (cursor := answer.headers.get("X-Next-Cursor")) is None:
            break
        known = cursor
    return known


async def _snapshot(url: str, key: str, channel: str, filters: Any) -> float:
    async with (
        aiohttp.ClientSession(headers={"X-API-Key": key}) as session,
        session.ws_connect(f"{url}/ws") as socket,
    ):
        began = time.perf_counter()
        await socket.send_json(
            {"type": "subscribe", "id": 1, "channels": [channel], "snapshot": True,
             "filters": {channel: filters} if filters else None}
        )  # fmt: skip
        async for message in socket:
            kind = json.loads(message.data)["type"]
            if kind == "error":
                raise BenchmarkError(message.data)
            if kind == "snapshot_end":
                return 1000 * (time.perf_counter() - began)
        raise BenchmarkError("the socket ended before its snapshot did")
