"""A trading host: a loop of 1 kHz that hands over a point a tick and a trade every ten.

Started as `python -m benchmarks.servers.host <way> <database>`. It prints its dashboard's URL, if
it has one. Then, for each number of seconds on its standard input, it ticks for that time and
prints how late its ticks were. For 0 it hands over back to back.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig, LoggingConfig, RateLimitConfig

TICK = 0.001  # seconds
PAUSE = 0.1  # seconds
ROUNDS, IN_A_ROUND = 20, 100  # of hand-overs back to back
TRADE = {"symbol": "AAPL", "side": "buy", "quantity": "10", "price": "187.20"}
POINT = {"metric_type": "trade", "name": "tick", "value": 1.5}

HandOver = Callable[[], object]


def nothing() -> None:
    """The hand-over of a host without a dashboard."""


class Ticks:
    """How late each tick was, and how long the hand-overs took; in seconds.

    By itself, a host is late for no longer than its process ran meanwhile: other processes that
    take its processor are not the dashboard's doing.
    """

    def __init__(self, seconds: float, point: HandOver, trade: HandOver) -> None:
        self._planned = round(seconds / TICK)
        self._point = point
        self._trade = trade
        self._late: list[float] = []
        self._by_itself: list[float] = []
        self._points: list[float] = []
        self._trades: list[float] = []

    def run(self) -> Generator[float, None, dict[str, Any]]:
        """Tick; yields how long to sleep until the next tick."""
        begin, number = time.perf_counter(), 0
        while number < self._planned:
            due = begin + number * TICK
            ran = time.process_time()
            if (early := due - time.perf_counter()) > 0:
                yield early
            self._late.append(max(0.0, time.perf_counter() - due))
            self._by_itself.append(min(self._late[-1], time.process_time() - ran))
            self._points.append(_timed(self._point))
            if number % 10 == 0:
                self._trades.append(_timed(self._trade))
            # Ticks that are overdue are skipped, as in a loop that asks for the newest price.
            number = max(number + 1, int((time.perf_counter() - begin) / TICK))
        for _ in range(0 if self._planned else ROUNDS):
            self._points += [_timed(self._point) for _ in range(IN_A_ROUND)]
            self._trades += [_timed(self._trade) for _ in range(IN_A_ROUND)]
            yield PAUSE
        return {
            "late": self._late,
            "by itself": self._by_itself,
            "points": self._points,
            "trades": self._trades,
            "planned": self._planned,
        }


def _timed(hand_over: HandOver) -> float:
    begin = time.perf_counter()
    hand_over()
    return time.perf_counter() - begin


def config_of(database: str) -> Config:
    """A dashboard that refuses no viewer."""
    return Config(
        port=0,
        database=DatabaseConfig(url=f"sqlite:///{database}"),
        rate_limit=RateLimitConfig(enabled=False),
        logging=LoggingConfig(level="warning"),
    )


@contextmanager
def feeding(way: str, database: str) -> Iterator[tuple[str, HandOver, HandOver]]:
    """The URL of a host that does not await, and its functions to hand over a point and a trade."""
    if way == "none":
        yield "", nothing, nothing
        return
    make = Dashboard.in_process if way == "in_process" else Dashboard.in_thread
    with make(config_of(database)) as feed:
        yield (
            feed.url,
            lambda: feed.record_metrics(POINT, wait=False),
            lambda: feed.record_trade(TRADE, wait=False),
        )


def synchronous(way: str, database: str) -> None:
    """Tick by sleeping."""
    with feeding(way, database) as (url, point, trade):
        say(url)
        for line in sys.stdin:
            ticks = Ticks(float(line), point, trade).run()
            while True:
                try:
                    time.sleep(next(ticks))
                except StopIteration as stop:
                    say(stop.value)
                    break


async def awaiting(way: str, database: str) -> None:
    """Tick in an event loop, with a dashboard in it if `way` says so."""
    if way == "none, asyncio":
        await _tick_on(nothing, nothing, "")
        return
    async with Dashboard(config_of(database)) as dashboard:
        feed = dashboard.feed
        stored: set[asyncio.Task[Any]] = set()

        def trade() -> None:
            task = asyncio.ensure_future(feed.record_trade(TRADE))
            stored.add(task)
            task.add_done_callback(stored.discard)

        await _tick_on(lambda: feed.hand_over(POINT), trade, dashboard.url)


async def _tick_on(point: HandOver, trade: HandOver, url: str) -> None:
    say(url)
    while line := await asyncio.to_thread(sys.stdin.readline):
        ticks = Ticks(float(line), point, trade).run()
        while True:
            try:
                await asyncio.sleep(next(ticks))
            except StopIteration as stop:
                say(stop.value)
                break


def say(what: Any) -> None:
    """Print one line of JSON for the benchmark."""
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    if sys.argv[1] in ("own loop", "none, asyncio"):
        asyncio.run(awaiting(*sys.argv[1:]))
    else:
        synchronous(*sys.argv[1:])
