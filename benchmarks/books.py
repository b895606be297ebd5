"""Entry `books`: 500 books with one watcher each, and one book alone.

The dashboard is a process of its own. Trades are recorded one by one, each in a book that one
socket watches. Three cases run in turns: one book and its watcher; 500 books with a watcher each,
and trades in one of them; the same with trades in all of them. The figure is the CPU time of the
dashboard's process for one trade.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import aiohttp
import psutil

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import (
    DatabaseConfig,
    LoggingConfig,
    RateLimitConfig,
    WebSocketConfig,
)
from alphapulse_api.embed.process_dashboard import ProcessFeed

from .report import print_environment, print_table

BOOKS: Final = 500
TRADES: Final = 1000  # of one turn
ROUNDS: Final = 7
AIM: Final = 1.10


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--quick", action="store_true", help="fewer trades and rounds")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    print_environment("aiohttp")
    trades, rounds = (200, 3) if arguments.quick else (TRADES, ROUNDS)
    os.environ["AP_ADMIN_PASSWORD"] = password = secrets.token_urlsafe(12)
    websocket = WebSocketConfig(max_user_connections=BOOKS, connects_per_minute=100 * BOOKS)
    with tempfile.TemporaryDirectory() as folder:
        dashboard = Dashboard.in_process(
            Config(
                port=0,
                rate_limit=RateLimitConfig(enabled=False),
                websocket=websocket,
                logging=LoggingConfig(level="warning"),
                database=DatabaseConfig(url=f"sqlite:///{Path(folder) / 'books.db'}"),
            )
        )
        with dashboard as feed:
            assert dashboard.pid is not None
            figures = asyncio.run(
                _measure(feed, psutil.Process(dashboard.pid), password, trades, rounds)
            )
    rows = []
    alone = figures["one book, one watcher"]
    for case, seconds in figures.items():
        ratios = [one / other for one, other in zip(seconds, alone, strict=True)]
        rows.append(
            (case, f"{1e6 * statistics.median(seconds):.0f}", f"{statistics.median(ratios):.2f}")
        )
    print_table(("case", "CPU a trade, µs", f"ratio (aim: {AIM:.2f} at most)"), rows)


async def _measure(
    feed: ProcessFeed, process: psutil.Process, password: str, trades: int, rounds: int
) -> dict[str, list[float]]:
    """Seconds of CPU time a trade, by case and round."""
    names = [f"b{number}" for number in range(BOOKS)]
    for name in names:
        await asyncio.to_thread(feed.open_book, name, mode="paper")
    figures: dict[str, list[float]] = {}
    connector = aiohttp.TCPConnector(limit=0)  # a connection for each socket
    async with aiohttp.ClientSession(connector=connector) as session:
        form = {"grant_type": "password", "username": "admin", "password": password}
        async with session.post(f"{feed.url}/token", data=form) as answer:
            token = (await answer.json())["access_token"]

        async def turn(case: str, watched: Sequence[str], written: Sequence[str]) -> None:
            async with AsyncExitStack() as stack:
                sockets = [await _watching(stack, session, feed.url, token, b) for b in watched]
                received = [asyncio.create_task(_received(*one)) for one in sockets]
                before = _cpu(process)
                for number in range(trades):
                    trade = {**_TRADE, "book": written[number % len(written)]}
                    await asyncio.to_thread(feed.record_trade, trade)
                figures.setdefault(case, []).append((_cpu(process) - before) / trades)
                for one in received:
                    one.cancel()

        await turn("warm-up", names, names)
        figures.clear()
        for _ in range(rounds):
            await turn("one book, one watcher", names[:1], names[:1])
            await turn("500 books and watchers, trades in one", names, names[:1])
            await turn("500 books and watchers, trades in all", names, names)
    return figures


_TRADE: Final = {"symbol": "AAPL", "side": "buy", "quantity": 10, "price": "187.20"}


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _watching(
    stack: AsyncExitStack, session: aiohttp.ClientSession, url: str, token: str, book: str
) -> tuple[aiohttp.ClientWebSocketResponse, str]:
    """A socket that is subscribed to the trades of a book."""
    headers = {"Authorization": f"Bearer {token}"}
    ws = await stack.enter_async_context(session.ws_connect(f"{url}/ws", headers=headers))
    filters = {"trades": {"books": [book]}}
    await ws.send_json({"type": "subscribe", "channels": ["trades"], "filters": filters})
    while (message := await ws.receive_json())["type"] != "subscribed":
        assert message["type"] != "error", message
    return ws, book


async def _received(ws: aiohttp.ClientWebSocketResponse, book: str) -> None:
    """Check that a socket gets the trades of its book only."""
    async for message in ws:
        data: dict[str, Any] = message.json()
        assert data["type"] != "trade" or data["data"]["book"] == book
