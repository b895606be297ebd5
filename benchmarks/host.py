"""Entry `host`: how late the ticks of a trading loop are beside viewers, for each way of embedding.

A host ticks at 1 kHz and hands over a point every tick and a trade every ten ticks. Viewers, in a
separate process at a lower priority (they would be on other machines), watch 20 sockets, export all
points, and draw a chart of seven days, again and again. Three hosts tick in turns of a second each,
since the speed of a machine changes from one minute to the next:

1. a host without a dashboard, alone;
2. the host with its dashboard and its viewers;
3. the host without a dashboard, beside stand-ins: processes that burn as much CPU time as the
   dashboard's process and the viewers have just used, at the same niceness.

So the difference of 2 and 3 is what the dashboard costs its host beyond CPU time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from alphapulse_api import Dashboard
from alphapulse_api.embed.process_dashboard import NICENESS

from .harness import REPOSITORY, BenchmarkError
from .lateness import AIM_P99, AIM_WORST, Row, Rows
from .report import print_environment, print_table
from .servers.host import config_of
from .stand_ins import StandIns
from .viewers import DAYS

BATCH = 10_000
SERIES = 20
VIEWERS_NICENESS = 10
PHASES = {
    "nobody": (),
    "20 viewers": ("viewers",),
    "export": ("export",),
    "chart": ("chart",),
    "all": ("viewers", "export", "chart"),
}
BASES = {"own loop": "none, asyncio"}  # of the others: "none"
WAYS = ("in_process", "in_thread", "own loop")
TURN_SECONDS = 1.0
SETTLE_SECONDS = 0.2  # between turns, for processes to resume or to stop


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--seconds", type=int, default=20, help="of ticks a row")
    parser.add_argument("--points", type=int, default=1_000_000, help="stored before")
    parser.add_argument("--way", action="append", choices=WAYS, help="repeatable; default: all")
    parser.add_argument("--by", action="append", choices=PHASES, help="repeatable; default: all")
    parser.add_argument("--quick", action="store_true", help="5 s, 10^5 points, nobody and all")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    points = 100_000 if arguments.quick else arguments.points
    seconds = 5 if arguments.quick else arguments.seconds
    phases = arguments.by or (("nobody", "all") if arguments.quick else tuple(PHASES))
    print_environment("aiohttp")
    lateness: list[list[str]] = []
    ratios: list[list[str]] = []
    hand_overs: list[list[str]] = []
    with tempfile.TemporaryDirectory() as directory:
        full = Path(directory) / "full.db"
        asyncio.run(_fill(full, points))
        for way in arguments.way or WAYS:
            database = Path(directory) / "host.db"
            shutil.copy(full, database)
            with ExitStack() as stack:
                base = stack.enter_context(_Host.running(BASES.get(way, "none"), ""))
                host = stack.enter_context(_Host.running(way, str(database)))
                for phase in phases:
                    rows = _in_turns(base, host, PHASES[phase], seconds)
                    lateness += [[way, phase, name, *row.cells()] for name, row in rows.named()]
                    ratios.append([way, phase, *rows.ratios()])
                    hand_overs.append([way, phase, *rows.watched.hand_overs()])
                hand_overs.append([way, "back to back", *Row.of(host.ticked(0)).hand_overs()])
            for left in Path(directory).glob("host.db*"):
                left.unlink()
    print(f"\nLateness of a tick of 1 ms; {points:,} points stored\n")
    print_table(
        ("way", "watched by", "host", "p50 ms", "p99 ms", "worst ms", "by itself p99 ms", "p99.9",
         "worst", "ticks %"),
        lateness,
    )  # fmt: skip
    print("\nWith its dashboard, over stand-ins that use as much CPU time, and over nothing\n")
    print_table(
        ("way", "watched by", "CPU of others %", "p99 over stand-ins", f"aim {AIM_P99:g}",
         "worst over stand-ins", f"aim {AIM_WORST:g}", "p99 over nothing"),
        ratios,
    )  # fmt: skip
    print("\nTime of a hand-over without waiting\n")
    print_table(("way", "watched by", "point p50 µs", "p99", "trade p50 µs", "p99"), hand_overs)


async def _fill(path: Path, points: int) -> None:
    """Store points of some series, evenly over the days before now."""
    begin = datetime.now(UTC) - timedelta(days=DAYS)
    step = timedelta(days=DAYS) / points
    async with Dashboard(config_of(str(path)), serve=False) as dashboard:
        for first in range(0, points, BATCH):
            await dashboard.feed.record_metrics(
                [
                    {
                        "metric_type": "risk",
                        "name": f"series-{number % SERIES}",
                        "timestamp": begin + number * step,
                        "value": number % 1000 / 7,
                    }
                    for number in range(first, min(first + BATCH, points))
                ]
            )


class _Host:
    """A host that ticks on request."""

    def __init__(self, process: subprocess.Popen[str], password: str) -> None:
        self._process = process
        self.password = password
        self.url = _line(process)
        # Of the dashboard in a process of its own.
        self.children = [child.pid for child in psutil.Process(process.pid).children()]

    @classmethod
    @contextmanager
    def running(cls, way: str, database: str) -> Iterator[_Host]:
        """Start it, and end it."""
        password = secrets.token_urlsafe(24)
        with _talking("benchmarks.servers.host", way, database, password=password) as process:
            yield cls(process, password)

    def ticked(self, seconds: float) -> dict[str, Any]:
        """Tick for that time; 0 hands over back to back."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        ticks: dict[str, Any] = _line(self._process)
        return ticks

    @contextmanager
    def watched(self, habits: Sequence[str]) -> Iterator[list[int]]:
        """Start viewers; returns their processes, which are stopped at first."""
        with ExitStack() as stack:
            viewers = []
            if habits:
                arguments = (self.url, self.password, *habits)
                process = stack.enter_context(
                    _talking("benchmarks.viewers", *arguments, niceness=True)
                )
                _line(process)
                viewers.append(process.pid)
            _signal(viewers, signal.SIGSTOP)
            yield viewers


def _in_turns(base: _Host, host: _Host, habits: Sequence[str], seconds: int) -> Rows:
    rows = Rows()
    turns = round(seconds / TURN_SECONDS)
    with host.watched(habits) as viewers, StandIns() as stand_ins:
        for _ in range(turns):
            time.sleep(SETTLE_SECONDS)
            rows.alone.add(base.ticked(TURN_SECONDS))
            _signal(viewers, signal.SIGCONT)
            time.sleep(SETTLE_SECONDS)
            begin = time.perf_counter()
            before = (_cpu(host.children), _cpu(viewers))
            rows.watched.add(host.ticked(TURN_SECONDS))
            passed = time.perf_counter() - begin
            dashboard = (_cpu(host.children) - before[0]) / passed
            viewing = (_cpu(viewers) - before[1]) / passed
            rows.cpu += (dashboard + viewing) / turns
            _signal(viewers, signal.SIGSTOP)
            time.sleep(SETTLE_SECONDS)
            length = TURN_SECONDS + 2 * SETTLE_SECONDS
            stand_ins.burn({NICENESS: dashboard, VIEWERS_NICENESS: viewing}, length)
            time.sleep(SETTLE_SECONDS)
            rows.beside.add(base.ticked(TURN_SECONDS))
            stand_ins.wait()
    return rows


def _cpu(processes: Sequence[int]) -> float:
    """Their CPU seconds so far."""
    times = [psutil.Process(process).cpu_times() for process in processes]
    return sum(each.user + each.system for each in times)


def _signal(processes: Sequence[int], number: signal.Signals) -> None:
    for process in processes:
        os.kill(process, number)


@contextmanager
def _talking(
    module: str, *arguments: str, password: str = "", niceness: bool = False
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "AP_ADMIN_PASSWORD": password},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=(lambda: os.nice(VIEWERS_NICENESS) and None) if niceness else None,
    )
    with process:
        try:
            yield process
        finally:
            if niceness:
                process.kill()
            elif process.stdin is not None:
                process.stdin.close()


def _line(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise BenchmarkError("the host or its viewers have ended")
    return json.loads(line)
