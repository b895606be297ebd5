"""Entry `host`: how late the ticks of a trading loop are beside viewers, by way of embedding.

A host ticks at 1 kHz and hands over a point a tick and a trade every ten. Viewers, in a process of
their own at a lower priority (they would be elsewhere), watch 20 sockets, export all points, and
draw a chart of seven days, again and again. Two rows have no dashboard: the host alone, and the
host beside a process that computes all the time at the niceness of the dashboard's: so much the
machine takes, whatever the dashboard does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
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
BASE, BESIDE = "none", "none, beside a busy process"
WAYS = (BASE, BESIDE, "in_process", "in_thread", "none, asyncio", "own loop")
AIM_P99, AIM_WORST = 1.2, 2.0
BURN = f"import os\nos.nice({NICENESS})\nwhile True: pass"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--seconds", type=float, default=20.0, help="of ticks a cell")
    parser.add_argument("--points", type=int, default=1_000_000, help="stored before")
    parser.add_argument("--way", action="append", choices=WAYS, help="repeatable; default: all")
    parser.add_argument("--quick", action="store_true", help="5 s, 10^5 points, nobody and all")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    points = 100_000 if arguments.quick else arguments.points
    seconds = 5.0 if arguments.quick else arguments.seconds
    phases = ("nobody", "all") if arguments.quick else tuple(PHASES)
    print_environment("aiohttp")
    with tempfile.TemporaryDirectory() as directory:
        full = Path(directory) / "full.db"
        asyncio.run(_fill(full, points))
        rows: list[list[str]] = []
        measured: dict[tuple[str, str], Row] = {}
        for way in arguments.way or WAYS:
            database = Path(directory) / "host.db"
            shutil.copy(full, database)
            for phase, row in _measured(way, database, phases, seconds):
                measured[way, phase] = row
                rows.append([way, phase, *row.cells()])
            for left in Path(directory).glob("host.db*"):
                left.unlink()
    print(f"\nLateness of a tick of 1 ms, and time of a hand-over; {points:,} points stored\n")
    print_table(
        ("way", "watched by", "p50 ms", "p99 ms", "worst ms", "ticks %", "point µs p50", "p99",
         "trade µs p50", "p99"),
        rows,
    )  # fmt: skip
    _judge(measured)


class Row:
    """What one cell measured."""

    def __init__(self, ticks: dict[str, Any]) -> None:
        self.late = sorted(ticks["late"])
        self.points = sorted(ticks["points"])
        self.trades = sorted(ticks["trades"])
        self.share: float = ticks["share"]

    @property
    def p99(self) -> float:
        """Seconds."""
        return _at(self.late, 0.99)

    @property
    def worst(self) -> float:
        """Seconds."""
        return float(self.late[-1])

    def cells(self) -> list[str]:
        """As the table shows it."""
        return [
            *(f"{value * 1e3:.2f}" for value in (_at(self.late, 0.5), self.p99, self.worst)),
            f"{self.share:.1%}".rstrip("%"),
            *(
                f"{_at(times, q) * 1e6:.1f}"
                for times in (self.points, self.trades)
                for q in (0.5, 0.99)
            ),
        ]


def _at(times: Sequence[float], quantile: float) -> float:
    return times[min(len(times) - 1, int(len(times) * quantile))]


def _judge(measured: dict[tuple[str, str], Row]) -> None:
    ours = measured.get(("in_process", "all"))
    for base in (BASE, BESIDE):
        other = measured.get((base, "nobody"))
        if ours is None or other is None:
            continue
        p99, worst = ours.p99 / other.p99, ours.worst / other.worst
        print(
            f"in_process, watched by all, over {base}: p99 {p99:.2f}x (aim {AIM_P99:g}x: "
            f"{_verdict(p99, AIM_P99)}), worst {worst:.2f}x (aim {AIM_WORST:g}x: "
            f"{_verdict(worst, AIM_WORST)})"
        )


def _verdict(value: float, aim: float) -> str:
    return "met" if value <= aim else "MISSED"


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


def _measured(
    way: str, database: Path, phases: Sequence[str], seconds: float
) -> Iterator[tuple[str, Row]]:
    password = secrets.token_urlsafe(24)
    with ExitStack() as stack:
        if way == BESIDE:
            burner = subprocess.Popen([sys.executable, "-c", BURN])
            stack.callback(burner.wait)
            stack.callback(burner.kill)
        module = "benchmarks.servers.host"
        kind = BASE if way == BESIDE else way
        host = stack.enter_context(_talking(module, kind, str(database), password=password))
        url = _line(host)
        for phase in phases if url else phases[:1]:
            with ExitStack() as viewing:
                if habits := PHASES[phase]:
                    viewers = viewing.enter_context(
                        _talking("benchmarks.viewers", url, password, *habits, niceness=True)
                    )
                    _line(viewers)
                assert host.stdin is not None
                host.stdin.write(f"{seconds}\n")
                host.stdin.flush()
                yield phase, Row(_line(host))


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
