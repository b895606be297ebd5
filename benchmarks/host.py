"""Entry `host`: how late the ticks of a trading loop are beside viewers, by way of embedding.

A host ticks at 1 kHz and hands over a point a tick and a trade every ten. Viewers, in a process of
their own at a lower priority (they would be elsewhere), watch 20 sockets, export all points, and
draw a chart of seven days, again and again. Each is measured in turns of a second with a host that
has no dashboard, while the viewers stand still: machines differ from one minute to the next. The
first row is such a host beside a process that computes all the time at the niceness of the
dashboard's: so much the machine takes, whatever the dashboard does.
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

from alphapulse_api import Dashboard
from alphapulse_api.embed.process_dashboard import NICENESS

from .harness import REPOSITORY, BenchmarkError
from .report import print_environment, print_table
from .servers.host import config_of
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
BESIDE = "beside a busy process"
BASES = {"own loop": "none, asyncio"}  # of the others: "none"
WAYS = (BESIDE, "in_process", "in_thread", "own loop")
TURN_SECONDS = 1.0
SETTLE_SECONDS = 0.2  # for those who go on, or stand still, between turns
AIM_P99, AIM_WORST = 1.2, 2.0
BURN = f"import os\nos.nice({NICENESS})\nwhile True: pass"


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
                for phase in phases if host.url else ("nobody",):
                    alone, watched = _in_turns(base, host, PHASES[phase], seconds)
                    lateness.append([way, phase, *watched.cells(), *watched.over(alone)])
                    if host.url:
                        hand_overs.append([way, phase, *watched.hand_overs()])
                if host.url:
                    hand_overs.append([way, "back to back", *Row.of(host.ticked(0)).hand_overs()])
            for left in Path(directory).glob("host.db*"):
                left.unlink()
    print(f"\nLateness of a tick of 1 ms; {points:,} points stored\n")
    print_table(
        ("way", "watched by", "p50 ms", "p99 ms", "worst ms", "ticks %", "p99 over none",
         f"aim {AIM_P99:g}", "worst over none", f"aim {AIM_WORST:g}"),
        lateness,
    )  # fmt: skip
    print("\nTime of a hand-over without waiting\n")
    print_table(("way", "watched by", "point p50 µs", "p99", "trade p50 µs", "p99"), hand_overs)


class Row:
    """What hosts have measured; turns add up."""

    def __init__(self) -> None:
        self._late: list[float] = []
        self._points: list[float] = []
        self._trades: list[float] = []
        self._planned = 0

    @classmethod
    def of(cls, ticks: dict[str, Any]) -> Row:
        """What a host has said."""
        row = cls()
        row.add(ticks)
        return row

    def add(self, ticks: dict[str, Any]) -> None:
        """Add what a host has said."""
        self._late = sorted(self._late + ticks["late"])
        self._points = sorted(self._points + ticks["points"])
        self._trades = sorted(self._trades + ticks["trades"])
        self._planned += ticks["planned"]

    def cells(self) -> list[str]:
        """Lateness, and how many of the ticks happened."""
        late = (_at(self._late, 0.5), _at(self._late, 0.99), self._late[-1])
        share = 100 * len(self._late) / self._planned
        return [*(f"{value * 1e3:.2f}" for value in late), f"{share:.1f}"]

    def over(self, base: Row) -> list[str]:
        """The ratios to a host without a dashboard, and what comes of the aims."""
        p99 = _at(self._late, 0.99) / _at(base._late, 0.99)
        worst = self._late[-1] / base._late[-1]
        return [
            f"{p99:.2f}x",
            "met" if p99 <= AIM_P99 else "missed",
            f"{worst:.2f}x",
            "met" if worst <= AIM_WORST else "missed",
        ]

    def hand_overs(self) -> list[str]:
        """Microseconds that a point and a trade took."""
        return [
            f"{_at(times, quantile) * 1e6:.1f}"
            for times in (self._points, self._trades)
            for quantile in (0.5, 0.99)
        ]


def _at(times: Sequence[float], quantile: float) -> float:
    return times[min(len(times) - 1, int(len(times) * quantile))]


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
    """A host that ticks when it is told to."""

    def __init__(self, process: subprocess.Popen[str], password: str, others: list[int]) -> None:
        self._process = process
        self._others = others
        self.password = password
        self.url = _line(process)

    @classmethod
    @contextmanager
    def running(cls, way: str, database: str) -> Iterator[_Host]:
        """Start it, and end it."""
        password = secrets.token_urlsafe(24)
        kind = "none" if way == BESIDE else way
        with ExitStack() as stack:
            others = []
            if way == BESIDE:
                burner = subprocess.Popen([sys.executable, "-c", BURN])
                stack.callback(burner.wait)
                stack.callback(burner.kill)
                others.append(burner.pid)
            module = "benchmarks.servers.host"
            process = stack.enter_context(_talking(module, kind, database, password=password))
            yield cls(process, password, others)

    def ticked(self, seconds: float) -> dict[str, Any]:
        """Tick so long; 0: hand over back to back."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        ticks: dict[str, Any] = _line(self._process)
        return ticks

    @contextmanager
    def watched(self, habits: Sequence[str]) -> Iterator[list[int]]:
        """Viewers, and whoever else takes the processor: their processes, which stand still."""
        with ExitStack() as stack:
            others = list(self._others)
            if habits:
                arguments = (self.url, self.password, *habits)
                viewers = stack.enter_context(
                    _talking("benchmarks.viewers", *arguments, niceness=True)
                )
                _line(viewers)
                others.append(viewers.pid)
            _signal(others, signal.SIGSTOP)
            yield others


def _in_turns(base: _Host, host: _Host, habits: Sequence[str], seconds: int) -> tuple[Row, Row]:
    alone, watched = Row(), Row()
    with host.watched(habits) as others:
        for _ in range(round(seconds / TURN_SECONDS)):
            time.sleep(SETTLE_SECONDS)
            alone.add(base.ticked(TURN_SECONDS))
            _signal(others, signal.SIGCONT)
            time.sleep(SETTLE_SECONDS)
            watched.add(host.ticked(TURN_SECONDS))
            _signal(others, signal.SIGSTOP)
    return alone, watched


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
