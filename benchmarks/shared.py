"""Entry `shared`: the cost of sharing: the log on Redis beside memory, two workers beside one.

The first table measures the event log alone: from before `append` to the follower's call. The
second measures everything: a feeding process stores batches of trades in PostgreSQL and publishes
them, gunicorn's workers read the log and dispatch to sockets, and one client process reads all
sockets. On two cores the client, the feeder, PostgreSQL and Redis share the machine with the
workers. There a second worker only shows its cost; it gains where there are enough cores.
"""

from __future__ import annotations

import argparse
import asyncio
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from alphapulse_api.log import Event, EventLog, MemoryEventLog
from alphapulse_api.log.redis.log import RedisEventLog
from alphapulse_api.runtime.redis import RedisLink
from tests import postgres, redis_server
from tests.commands import environment
from tests.workers import gunicorn, production

from .clients import open_sockets
from .harness import Server
from .publishing import raise_file_limit
from .report import print_environment, print_table

EVENTS = 1000
BATCH = 250
FEEDER = f"""
import sys
from alphapulse_api import Config, Dashboard
with Dashboard.in_thread(Config.load(), serve=False) as feed:
    print("ready", flush=True)
    for line in sys.stdin:
        for batch in range(int(line)):
            feed.record_trades([
                {{"symbol": "AAPL", "side": "buy", "quantity": "10", "price": "187.20",
                  "order_id": "last" if batch == int(line) - 1 and n == {BATCH - 1} else "o"}}
                for n in range({BATCH})])
        print("fed", flush=True)
"""
LAST = b'"order_id":"last"'


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--clients", type=int, default=500, help="sockets")
    parser.add_argument("--batches", type=int, default=20, help=f"of {BATCH} trades each")
    parser.add_argument("--quick", action="store_true", help="100 sockets, 4 batches")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    clients = 100 if arguments.quick else arguments.clients
    batches = 4 if arguments.quick else arguments.batches
    raise_file_limit()
    print_environment("redis", "asyncpg", "gunicorn", "aiohttp")
    with redis_server.shared() as redis_url, postgres.shared() as server:
        asyncio.run(_logs(redis_url))
        asyncio.run(_workers(server, redis_url, clients, batches))


async def _logs(redis_url: str) -> None:
    rows = [await _log("memory", MemoryEventLog(), [])]
    redis_server.empty(redis_url)
    links = [RedisLink(redis_url, "events.redis_url") for _ in range(2)]
    for link in links:
        await link.open()
    writing, reading = (RedisEventLog(link) for link in links)
    await writing.open()
    await reading.open()
    rows.append(await _log("Redis, another process's log", writing, [reading]))
    for log in (writing, reading):
        await log.close()
    for link in links:
        await link.close()
    print("\nOne event at a time, from append to the follower\n")
    print_table(("log", "appended µs", "arrived p50 µs", "arrived p99 µs"), rows)


async def _log(name: str, writing: EventLog, reading: Sequence[EventLog]) -> list[str]:
    arrived: list[float] = []
    came = asyncio.Event()

    def follow(events: Sequence[Event]) -> None:
        arrived.append(time.perf_counter() - float(events[-1].data["at"]))
        came.set()

    (reading or [writing])[0].follow(follow, lambda gap: None)
    appended = 0.0
    for number in range(EVENTS):
        came.clear()
        before = time.perf_counter()
        record = {"id": str(number), "symbol": "AAPL", "strategy": None, "at": before}
        await writing.append("trades", [record])
        appended += time.perf_counter() - before
        await came.wait()
    arrived.sort()
    return [
        name,
        f"{appended / EVENTS * 1e6:,.0f}",
        f"{arrived[EVENTS // 2] * 1e6:,.0f}",
        f"{arrived[EVENTS * 99 // 100] * 1e6:,.0f}",
    ]


async def _workers(server: postgres.Postgres, redis_url: str, clients: int, batches: int) -> None:
    rows = []
    for count in (1, 2):
        redis_server.empty(redis_url)
        rows.append(await _deliver(count, await server.emptied(), redis_url, clients, batches))
    print(f"\n{batches * BATCH} trades to {clients} sockets, published by another process\n")
    print_table(("workers", "seconds", "trades/s", "deliveries/s"), rows)


async def _deliver(
    count: int, database_url: str, redis_url: str, clients: int, batches: int
) -> list[str]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        workers = await stack.enter_async_context(
            gunicorn(folder, database_url, redis_url, count=count)
        )
        variables = environment(folder, **production(database_url, redis_url))
        feeder = stack.enter_context(_feeder(variables))
        assert feeder.stdin is not None
        url = urlsplit(workers.url)
        assert url.hostname is not None
        assert url.port is not None
        token = workers.admin["Authorization"].removeprefix("Bearer ")
        gunicorns = psutil.Process(workers.process.pid)
        target = Server(f"{count} workers", url.hostname, url.port, token, gunicorns)
        sockets = open_sockets(target, clients, [{"channels": ["trades"]}])
        before = time.perf_counter()
        feeder.stdin.write(f"{batches}\n")
        feeder.stdin.flush()
        await asyncio.to_thread(_read_to_the_last, sockets)
        seconds = time.perf_counter() - before
        for client in sockets:
            client.close()
        feeder.stdin.close()
    trades = batches * BATCH
    return [
        str(count),
        f"{seconds:.2f}",
        f"{trades / seconds:,.0f}",
        f"{trades * clients / seconds:,.0f}",
    ]


def _feeder(variables: dict[str, str]) -> subprocess.Popen[str]:
    feeder = subprocess.Popen(
        [sys.executable, "-c", FEEDER],
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert feeder.stdout is not None
    feeder.stdout.readline()
    return feeder


def _read_to_the_last(sockets: Sequence[socket.socket]) -> None:
    """Read until every socket has had the last trade."""
    by_number = {client.fileno(): client for client in sockets}
    ends = dict.fromkeys(by_number, b"")
    with select.epoll() as epoll:
        for number in by_number:
            epoll.register(number, select.EPOLLIN)
        while ends:
            for number, _ in epoll.poll(30.0, 2000):
                data = by_number[number].recv(1 << 18)
                assert data, "a server closed a socket"
                if LAST in ends[number] + data:
                    epoll.unregister(number)
                    del ends[number]
                else:
                    ends[number] = data[-len(LAST) :]
