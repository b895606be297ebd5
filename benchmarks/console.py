"""Entry `console`: what the console costs the browser that shows it.

A dashboard gets 100 events a second: metric points of ten series, trades, the portfolio, now and
then an alert. A headless Chromium logs in and watches. The benchmark reports the time from the
login to the first rows; the share of time for which the page's main thread was on the CPU, in a
window of the usual size and in one so high that every chart is drawn; and the heap after garbage
collections over time. The CPU time is TaskDuration of Performance.getMetrics (Chrome DevTools
Protocol) in thread ticks, which other processes do not lengthen.
"""

from __future__ import annotations

import argparse
import itertools
import math
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig
from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.browser.accounts import add_users
from tests.browser.chromium import CHROMEDRIVER, CHROMIUM, HEIGHT, WIDTH, chromium
from tests.browser.page import Page

from .harness import BenchmarkError
from .report import print_environment, print_table

RATE = 100
# Of each 100 events.
TRADES, PORTFOLIOS, ALERTS = 30, 8, 2
SERIES = 10
SYMBOLS = ("AAPL", "GOOG", "IBM", "MSFT")
USER, PASSWORD = "watcher", "a long password"
BUSY_SECONDS = 20.0
MEMORY_SECONDS = 600.0
READINGS = 10
HIGH = 3200
FIRST_DATA_AIM = 2.0
BUSY_AIM = 0.5
GROWTH_AIM = 1.1  # of the heap, from the middle of the time to its end


@dataclass(frozen=True, slots=True)
class Reading:
    """The resources that the page uses at one moment."""

    heap: float
    nodes: float
    listeners: float


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--minutes", type=float, default=MEMORY_SECONDS / 60, help="of memory")
    parser.add_argument("--quick", action="store_true", help="one minute of memory")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    if CHROMIUM is None or CHROMEDRIVER is None:
        raise BenchmarkError("apt install chromium chromium-driver")
    minutes = 1.0 if arguments.quick else arguments.minutes
    print_environment("aiohttp", "plotly", "selenium")
    with (
        tempfile.TemporaryDirectory() as folder,
        _dashboard(Path(folder)) as feed,
        _fed(feed),
        chromium(network_log=False) as driver,
    ):
        driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        print(f"{driver.capabilities['browserVersion']} (Chromium), {RATE} events a second\n")
        for name in ("first visit", "second visit"):
            seconds = _first_data(driver, feed.url)
            verdict = _verdict(seconds, FIRST_DATA_AIM)
            print(f"login to first rows, {name}: {seconds:.2f} s ({verdict})")
        print()
        rows = [_busy(driver, f"window of {WIDTH}x{height}", height) for height in (HEIGHT, HIGH)]
        print_table(("main thread", "busy", "scripts", "layout", "style"), rows)
        _size(driver, HEIGHT)
        print()
        _memory(driver, minutes * 60)


def _verdict(value: float, aim: float) -> str:
    return f"aim {aim:g}: {'met' if value <= aim else 'MISSED'}"


@contextmanager
def _dashboard(folder: Path) -> Iterator[ThreadFeed]:
    config = Config(port=0, database=DatabaseConfig(url=f"sqlite:///{folder}/console.db"))
    add_users(config, {USER: "operator"}, PASSWORD)
    with Dashboard.in_thread(config) as feed:
        feed.update_agent("bench", {"state": "active", "metrics": {"rate": RATE}})
        yield feed


@contextmanager
def _fed(feed: ThreadFeed) -> Iterator[None]:
    """Feed events on a fixed schedule from a thread."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        started = time.monotonic()
        try:
            for number in itertools.count():
                if stop.wait(max(0.0, started + number / RATE - time.monotonic())):
                    return
                _event(feed, number)
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failures:
        raise failures[0]


def _event(feed: ThreadFeed, number: int) -> None:
    # Spread over each hundred, since 37 and 100 have no common divisor.
    kind = number * 37 % 100
    wave = math.sin(number / 500)
    symbol = SYMBOLS[number % len(SYMBOLS)]
    if kind < TRADES:
        side = "buy" if number % 2 else "sell"
        feed.record_trade(
            {"symbol": symbol, "side": side, "quantity": "10", "price": f"{100 + wave:.2f}",
             "strategy": "wave", "agent_id": "bench"}
        )  # fmt: skip
    elif kind < TRADES + PORTFOLIOS:
        positions = [
            {"symbol": symbol, "quantity": "10", "entry_price": "99.5",
             "current_price": f"{100 + wave:.2f}", "value": f"{1000 + 10 * wave:.2f}"}
            for symbol in SYMBOLS
        ]  # fmt: skip
        total = f"{14_000 + 40 * wave:.2f}"
        feed.update_portfolio({"total_value": total, "cash": "10000", "positions": positions})
    elif kind < TRADES + PORTFOLIOS + ALERTS:
        feed.raise_alert({"title": f"Alert {number}", "severity": "warning", "source": "bench"})
    else:
        name = f"series_{number % SERIES}"
        feed.record_metrics({"metric_type": "performance", "name": name, "value": wave})


def _first_data(driver: Chrome, url: str) -> float:
    """Seconds from the click on the login button to trades and alerts."""
    page = Page(driver, url)
    page.try_login(USER, PASSWORD)
    started = time.perf_counter()
    page.until(lambda: page.count("#trades tbody tr") and page.count("#alerts li"), "rows")
    seconds = time.perf_counter() - started
    page.until_live()
    page.until_filled()
    page.script("scrollTo(0, 0)")
    return seconds


def _size(driver: Chrome, height: int) -> None:
    shown = {"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", shown)


def _figures(driver: Chrome) -> dict[str, float]:
    answer: dict[str, Any] = driver.execute_cdp_cmd("Performance.getMetrics", {})
    return {metric["name"]: metric["value"] for metric in answer["metrics"]}


def _busy(driver: Chrome, name: str, height: int) -> tuple[str, ...]:
    _size(driver, height)
    started, before = time.perf_counter(), _figures(driver)
    time.sleep(BUSY_SECONDS)
    wall, after = time.perf_counter() - started, _figures(driver)
    shares = [
        (after[figure] - before[figure]) / wall
        for figure in ("TaskDuration", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration")
    ]
    verdict = _verdict(shares[0], BUSY_AIM)
    return (f"{name} ({verdict})", *(f"{share:.1%}" for share in shares))


def _reading(driver: Chrome) -> Reading:
    driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    figures = _figures(driver)
    return Reading(figures["JSHeapUsedSize"], figures["Nodes"], figures["JSEventListeners"])


def _memory(driver: Chrome, seconds: float) -> None:
    started = time.monotonic()
    readings = [_reading(driver)]
    for number in range(1, READINGS + 1):
        time.sleep(max(0.0, started + number * seconds / READINGS - time.monotonic()))
        readings.append(_reading(driver))
    rows = [
        (f"after {number * seconds / READINGS:.0f} s", f"{reading.heap / 1e6:.2f}",
         f"{reading.nodes:.0f}", f"{reading.listeners:.0f}")
        for number, reading in enumerate(readings)
    ]  # fmt: skip
    print_table(("memory", "heap MB", "nodes", "listeners"), rows)
    growth = readings[-1].heap / readings[READINGS // 2].heap
    print(
        f"\nheap at the end, of that in the middle: {growth:.2f}x ({_verdict(growth, GROWTH_AIM)})"
    )
