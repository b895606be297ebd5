"""Entry `ingest`: points stored a second, and how they affect a reader.

The first part measures the decoders of other protocols, beside bare parsers of the same bodies
(`decoders.py`). The second sends points through the feed, in batches of 1000, beside the driver
alone, which fills one table with the same points (`executemany` in SQLite, COPY in PostgreSQL; a
transaction a batch). The third sends them over HTTP to a separate server process, in each form that
a body may have. At last a reader queries that server, with and without points arriving.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gc
import io
import json
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import AuthConfig, DatabaseConfig, LoggingConfig
from alphapulse_api.domain.times import rfc3339, to_micros
from tests.postgres import Postgres, server

from .decoders import compare_decoders
from .harness import LOAD_CORE, BenchmarkError, Server, pin, running
from .ingest_drivers import DRIVERS
from .points import TARGET, write_points
from .report import print_environment, print_table

START = datetime(1980, 1, 1, tzinfo=UTC)  # each form gets decades of its own, all of them past
BATCH = 1000
SERIES = 20  # of a batch over HTTP
FEED_AIM = 0.25  # of the driver's rate
HTTP_AIM = 50_000  # points a second on one core
READER_AIM = 2.0  # of the p99 without writers
CONNECTIONS = 2  # that send points, so that one body is sent while another is stored
PACED = 10_000  # points a second, where the server has time to spare
READ_EVERY = 0.005  # seconds
# By form: its media type, and how many points a body has.
FORMS = {
    "JSON array": ("application/json", BATCH),
    "NDJSON": ("application/x-ndjson", 10 * BATCH),
    "CSV": ("text/csv", 10 * BATCH),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--quick", action="store_true", help="a fifth of the points")
    parser.add_argument("--decoders", action="store_true", help="the decoders, and nothing else")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    print_environment("aiohttp", "asyncpg", "orjson", "protobuf")
    compare_decoders()
    if arguments.decoders:
        return
    divisor = 5 if arguments.quick else 1
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_through_the_feed(Path(folder), 100 // divisor))
        write_points(Path(folder))
        pin(LOAD_CORE)
        with running("alphapulse", folder, "admin") as http:
            asyncio.run(_over_http(http, 400_000 // divisor))
            asyncio.run(_beside_a_reader(http, 20.0 / divisor))


# -- the feed -------------------------------------------------------------------------------------


def _points(batch: int, series: int, size: int = BATCH) -> list[dict[str, Any]]:
    """The newest points of `series` series, one a second in each."""
    each = size // series
    return [
        {
            "metric_type": "risk",
            "name": f"m{number}",
            "timestamp": START + timedelta(seconds=batch * each + second),
            "value": number + (batch * each + second) * 0.01,
            "labels": {"strategy": "momentum-1"},
        }
        for second in range(each)
        for number in range(series)
    ]


async def _through_the_feed(folder: Path, batches: int) -> None:
    with server("") as postgres:
        for name in ("SQLite", "PostgreSQL"):
            rows = []
            for series in (1, 20, 1000):
                points = [_points(batch, series) for batch in range(batches)]
                async with _fed(name, folder, postgres) as (feed, _):
                    await feed(points[0])
                    ours = await _seconds(feed, points[1:])
                async with _fed(name, folder, postgres) as (feed, place):
                    await feed(points[0])
                    numbers = {f"m{n}": n + 1 for n in range(series)}
                    plain = [
                        [(numbers[p["name"]], to_micros(p["timestamp"]), p["value"]) for p in batch]
                        for batch in points[1:]
                    ]
                    async with DRIVERS[name](place) as store:
                        alone = await _seconds(store, plain)
                count, ratio = BATCH * (batches - 1), alone / ours
                judged = f"{FEED_AIM:g}: {'met' if ratio >= FEED_AIM else 'MISSED'}"
                rows.append([f"{series} series", f"{count / ours:,.0f}", f"{count / alone:,.0f}",
                             f"{ratio:.2f}", judged])  # fmt: skip
            print(f"\n{name}: points a second through the feed, in batches of {BATCH}\n")
            print_table(("a batch is of", "ours", "driver", "ratio", "aim"), rows)


@asynccontextmanager
async def _fed(name: str, folder: Path, postgres: Postgres) -> Any:
    """The feed of a server without subscribers on an empty database, and where that is."""
    place = str(folder / f"{time.monotonic_ns()}.db") if name == "SQLite" else await postgres.new()
    url = f"sqlite:///{place}" if name == "SQLite" else place
    config = Config(
        port=0,
        auth=AuthConfig(jwt_secret=secrets.token_urlsafe(48)),
        database=DatabaseConfig(url=url),
        logging=LoggingConfig(level="warning"),
    )
    async with Dashboard(config) as dashboard:
        yield dashboard.feed.record_metrics, place


async def _seconds(store: Callable[[Any], Awaitable[Any]], batches: Sequence[Any]) -> float:
    gc.collect()
    started = time.perf_counter()
    for batch in batches:
        await store(batch)
    return time.perf_counter() - started


# -- over HTTP ------------------------------------------------------------------------------------


def _body(form: str, points: Sequence[dict[str, Any]]) -> bytes:
    stated = [{**point, "timestamp": rfc3339(point["timestamp"])} for point in points]
    if form == "JSON array":
        return json.dumps(stated).encode()
    if form == "NDJSON":
        return "".join(f"{json.dumps(point)}\n" for point in stated).encode()
    text = io.StringIO()
    names = ["metric_type", "name", "timestamp", "value", "label.strategy"]
    writer = csv.DictWriter(text, names, extrasaction="ignore")
    writer.writeheader()
    writer.writerows({**p, "label.strategy": p["labels"]["strategy"]} for p in stated)
    return text.getvalue().encode()


def _requests(http: Server, form: str, first: int, count: int) -> list[bytes]:
    """Complete requests with `count` points, which are later than those before `first`."""
    media_type, size = FORMS[form]
    requests = []
    for number in range(count // size):
        body = _body(form, _points(first + number, SERIES, size))
        head = (
            f"POST /api/metrics HTTP/1.1\r\nHost: {http.host}\r\nAuthorization: Bearer "
            f"{http.token}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    return requests


async def _over_http(http: Server, count: int) -> None:
    rows = []
    for place, form in enumerate(FORMS):
        # Each form has its own points, so that none replaces another's.
        requests = _requests(http, form, place * 10**6, count)
        warm, rest = requests[:2], requests[2:]
        await _send(http, warm)
        before, started = http.usage(), time.perf_counter()
        await _send(http, rest)
        seconds = time.perf_counter() - started
        cpu = http.usage().cpu - before.cpu
        points = len(rest) * FORMS[form][1]
        judged = f"{HTTP_AIM:,}: {'met' if points / seconds >= HTTP_AIM else 'MISSED'}"
        rows.append([form, f"{points / seconds:,.0f}", judged, f"{cpu / points * 1e6:.1f}",
                     f"{points / cpu:,.0f}", f"{cpu / seconds:.0%}"])  # fmt: skip
    print(f"\nPoints a second over HTTP, {SERIES} series, SQLite, one core\n")
    print_table(("a body is", "points/s", "aim", "CPU µs a point", "by CPU", "busy"), rows)


async def _send(http: Server, requests: Sequence[bytes], pause: float = 0.0) -> None:
    """Send all, on a few connections; `pause` seconds from the start of one to that of the next."""
    left = iter(requests)
    await asyncio.gather(*(_send_some(http, left, pause, number) for number in range(CONNECTIONS)))


async def _send_some(http: Server, left: Iterator[bytes], pause: float, number: int) -> None:
    """Send the next request from `left` until none is left, the first after `number` pauses."""
    async with _connected(http) as (reader, writer):
        await asyncio.sleep(pause * number)
        pause *= CONNECTIONS
        for request in left:
            following = time.perf_counter() + pause
            writer.write(request)
            await _answer(reader, b"201")
            await asyncio.sleep(max(0.0, following - time.perf_counter()))


@asynccontextmanager
async def _connected(http: Server) -> Any:
    reader, writer = await asyncio.open_connection(http.host, http.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader, status: bytes) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    body = await reader.readexactly(length)
    if head.split()[1] != status:
        raise BenchmarkError(f"not a {status.decode()}: {head.decode()}{body[:500].decode()}")
    return body


# -- a reader meanwhile ---------------------------------------------------------------------------


async def _beside_a_reader(http: Server, seconds: float) -> None:
    """Read 100 points 200 times a second, each time from the database."""
    rows = []
    idle = 0.0
    for what, rate in (("none", 0), (f"{PACED:,} a second", PACED), ("as many as go", HTTP_AIM)):
        requests = _requests(http, "JSON array", (10 + len(rows)) * 10**6, int(rate * seconds))
        pause = 0.0 if rate == HTTP_AIM else BATCH / PACED
        async with _connected(http) as connection:
            reading = asyncio.create_task(_read(http, connection, seconds))
            writing = asyncio.create_task(_send(http, requests, pause))
            latencies = sorted(await reading)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            if not writing.cancelled():
                await writing
        p50, p99 = (latencies[int(len(latencies) * share)] * 1e3 for share in (0.5, 0.99))
        idle = idle or p99
        judged = f"{READER_AIM:g}: {'met' if p99 <= READER_AIM * idle else 'MISSED'}"
        rows.append([what, f"{len(latencies)}", f"{p50:.2f}", f"{p99:.2f}", f"{p99 / idle:.2f}",
                     judged])  # fmt: skip
    print("\nA reader of 100 points, while points come in JSON arrays\n")
    print_table(("points", "answers", "p50 ms", "p99 ms", "to none", "aim"), rows)


async def _read(http: Server, connection: Any, seconds: float) -> list[float]:
    reader, writer = connection
    request = (
        f"GET {TARGET} HTTP/1.1\r\nHost: {http.host}\r\nAuthorization: Bearer {http.token}\r\n"
        "Cache-Control: no-cache\r\n\r\n"
    ).encode()
    latencies = []
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        sent = time.perf_counter()
        writer.write(request)
        await _answer(reader, b"200")
        latencies.append(time.perf_counter() - sent)
        await asyncio.sleep(max(0.0, sent + READ_EVERY - time.perf_counter()))
    return latencies
