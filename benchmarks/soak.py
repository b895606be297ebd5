"""Entry `soak`: a server under mixed load for minutes: does anything grow, get lost, or get slow?

A separate server process is fed, read and watched at once (`mixed_load`). Everything bounded
(events, cached answers) has such a small bound that it is full before the measurement begins, so
any further growth is a leak. Each watcher checks that it misses nothing and gets nothing twice,
over all its connections.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil

from tests import commands, postgres, redis_server
from tests.conftest import PASSWORD
from tests.workers import SECRET

from .harness import LOAD_CORE, SERVER_CORE, BenchmarkError, pin
from .mixed_load import HISTORY, MixedLoad
from .publishing import raise_file_limit
from .report import print_environment, print_table
from .trend import trend

SAMPLE_SECONDS = 5.0
SAMPLES = 60  # at least, also of a short run
WINDOWS = 10
WARM_UP = 0.3  # of the run; the page cache of SQLite's writer takes longest to fill
# Growth a minute that counts as flat: a day of it would still be harmless.
FIGURES = (
    ("resident", "resident memory, MB", 0.1),
    ("blocks", "memory blocks", 500.0),
    ("tasks", "tasks", 1.0),
    ("handles", "file handles", 1.0),
    ("threads", "threads", 0.1),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """The server at an instant."""

    at: float
    """Seconds since the load began."""
    resident: float
    """MB."""
    handles: float
    threads: float
    cpu: float
    """Seconds of CPU time so far."""
    tasks: float
    blocks: float
    deliveries: int
    """Deliveries to the watchers so far."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--minutes", type=float, default=10.0, help="of load, a third warming up")
    parser.add_argument(
        "--backend", choices=("sqlite", "postgres"), default="sqlite",
        help="postgres: PostgreSQL, and Redis for events and cache",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="1 minute: too short for trends")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    minutes = 1.0 if arguments.quick else arguments.minutes
    pin(LOAD_CORE)
    raise_file_limit()
    print_environment("aiohttp", "uvloop", "asyncpg", "redis")
    asyncio.run(_run(arguments.backend, 60.0 * minutes))


async def _run(backend: str, seconds: float) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        database_url, redis_url = f"sqlite:///{folder}/soak.db", None
        if backend == "postgres":
            database_url = await stack.enter_context(postgres.server("")).new()
            redis_url = stack.enter_context(redis_server.shared())
        file = folder / "soak.yaml"
        file.write_text(json.dumps(_config(database_url, redis_url)))
        variables = {"AP_CONFIG": str(file), "AP_ADMIN_PASSWORD": PASSWORD}
        key = await asyncio.to_thread(_make_key, folder, variables)
        server = await stack.enter_async_context(commands.serving(folder, **variables))
        process = psutil.Process(server.process.pid)
        pin(SERVER_CORE, process.pid)
        load = MixedLoad(server.url, key, PASSWORD)
        samples = await _under_load(load, process, server.url, key, seconds)
        said = [line for line in server.said.splitlines() if "serving http" not in line]
    warm = WARM_UP * seconds
    print(f"\n{backend}, {seconds / 60:g} minutes\n")
    _print_windows(load, samples, seconds)
    print(f"\nGrowth a minute after {warm / 60:.1f} minutes, ± its standard error\n")
    _print_trends([sample for sample in samples if sample.at >= warm])
    _print_done(load)
    for line in said:
        print(f"the server said: {line}")
    if faults := load.faults():
        raise BenchmarkError(f"faults: {dict(faults)}")
    print("no request failed, no event was lost, none came twice")


def _config(database_url: str, redis_url: str | None) -> dict[str, object]:
    shared = {} if redis_url is None else {"type": "redis", "redis_url": redis_url}
    return {
        "dashboard_api": {
            "auth": {"jwt_secret": SECRET, "token_expiry": 60},
            "rate_limit": {"requests_per_minute": 1_000_000},
            "cache": {"max_bytes": 4 * 2**20, **shared},
            "events": {"history_size": HISTORY, **shared},
            "logging": {"level": "warning"},
            "websocket": {"max_lag": 4, "max_buffer": 2**18, "ping_interval": 5},
            "database": {"url": database_url},
        }
    }


def _make_key(folder: Path, variables: dict[str, str]) -> str:
    scopes = ("--scope", "publish", "--scope", "view")
    made = commands.run(folder, "api-key", "create", "soak", *scopes, **variables)
    found = re.search(r"apk_\S+", made.stdout)
    if found is None:
        raise BenchmarkError(f"no API key was made: {made.stderr}")
    return found[0]


async def _under_load(
    load: MixedLoad, process: psutil.Process, url: str, key: str, seconds: float
) -> list[Sample]:
    samples = []
    await load.start()
    async with aiohttp.ClientSession(headers={"X-API-Key": key}) as session:
        while (at := time.monotonic() - load.began) < seconds:
            async with session.get(f"{url}/metrics") as response:
                text = await response.text()
            with process.oneshot():
                times = process.cpu_times()
                samples.append(
                    Sample(
                        at=at,
                        resident=process.memory_info().rss / 1e6,
                        handles=process.num_fds(),
                        threads=process.num_threads(),
                        cpu=times.user + times.system,
                        tasks=_figure(text, "alphapulse_tasks"),
                        blocks=_figure(text, "alphapulse_memory_blocks"),
                        deliveries=load.watched.deliveries,
                    )
                )
            await asyncio.sleep(min(SAMPLE_SECONDS, seconds / SAMPLES))
    await load.finish()
    return samples


def _figure(text: str, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    if found is None:
        raise BenchmarkError(f"/metrics has no {name}")
    return float(found[1])


def _print_windows(load: MixedLoad, samples: Sequence[Sample], seconds: float) -> None:
    width = seconds / WINDOWS
    rows = []
    for window in range(WINDOWS):
        start, end = window * width, (window + 1) * width
        within = [sample for sample in samples if start <= sample.at < end]
        if len(within) < 2:
            continue
        first, last = within[0], within[-1]
        reads = {
            hit: [
                1e3 * took
                for at, was_hit, took in load.done.reads
                if start <= at - load.began < end and was_hit is hit
            ]
            for hit in (True, False)
        }
        span = last.at - first.at
        rows.append(
            [
                f"{start / 60:.1f}",
                *_quantiles(reads[True]),
                *_quantiles(reads[False]),
                f"{(last.deliveries - first.deliveries) / span:,.0f}",
                f"{(last.cpu - first.cpu) / span:.0%}",
                f"{statistics.fmean(sample.resident for sample in within):.1f}",
                f"{statistics.fmean(sample.tasks for sample in within):.0f}",
                f"{statistics.fmean(sample.handles for sample in within):.0f}",
                f"{statistics.fmean(sample.threads for sample in within):.0f}",
            ]
        )
    header = (
        "from minute", "cached p50 ms", "p99 ms", "others p50 ms", "p99 ms", "deliveries/s", "CPU",
        "RSS MB", "tasks", "handles", "threads",
    )  # fmt: skip
    print_table(header, rows)


def _quantiles(values: Sequence[float]) -> list[str]:
    cuts = statistics.quantiles(values, n=100)
    return [f"{cuts[49]:.1f}", f"{cuts[98]:.1f}"]


def _print_trends(samples: Sequence[Sample]) -> None:
    minutes = [sample.at / 60 for sample in samples]
    rows = []
    for name, label, limit in FIGURES:
        values = [getattr(sample, name) for sample in samples]
        line = trend(minutes, values)
        rows.append(
            [
                label,
                f"{values[0]:,.1f}",
                f"{values[-1]:,.1f}",
                f"{line.slope:+,.3f} ± {line.error:,.3f}",
                f"{60 * line.slope:+,.1f}",
                f"{limit:g}",
                line.verdict(limit),
            ]
        )
    header = ("figure", "first", "last", "a minute", "an hour", "flat up to", "")
    print_table(header, rows)


def _print_done(load: MixedLoad) -> None:
    done, watched = load.done, load.watched
    print(
        f"\n{done.requests:,} requests, of them {done.writes:,} writes; {watched.deliveries:,} "
        f"messages checked on {watched.joined:,} sockets, {watched.resumed:,} of them resumed, "
        f"{watched.evicted} closed for not reading; tokens refreshed {done.refreshes} times, shown "
        f"on open sockets {watched.renewed:,} times"
    )
