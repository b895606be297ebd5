"""kill -9 around a commit: every committed record reaches every socket once, its states in order.

A feeder process is killed at a point that is chosen, or at random, while servers and their sockets
go on; the sockets are cut now and then and resume.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api.config import AuthConfig, CacheConfig, DatabaseConfig, EventsConfig
from alphapulse_api.domain.times import parse
from tests import redis_server
from tests.commands import environment
from tests.conftest import Serve, Server
from tests.feeders import FORKS, LOOPS
from tests.listeners import END, END_AS_OF, LAST, LIFE, Listener, Record, differences
from tests.postgres import Postgres
from tests.waiting import SECONDS, until
from tests.workers import SECRET

PORTFOLIO = ("portfolio", "main")
FEEDER = "feeder"  # what PostgreSQL knows its sessions by
LONGEST = 0.2  # seconds after the first answer
POINTS = ("before the commit", "before the append", "before the removal", "at random")

FEEDERS = (
    LOOPS
    + """
import random
from alphapulse_api.record.log_writer import LogWriter
from alphapulse_api.storage import outbox
from alphapulse_api.storage.postgres import engine as postgres
from alphapulse_api.storage.sqlite import engine as sqlite

def dies(holder, name, hits):
    method = getattr(holder, name)
    left = [hits]
    def wrapped(*args, **kwargs):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return method(*args, **kwargs)
    setattr(holder, name, wrapped)

async def main(round, point, hits):
    given = json.loads(sys.argv[1])
    config = Config(
        database=DatabaseConfig(url=given["database"]),
        events=EventsConfig(**given["events"]), auth=AuthConfig(jwt_secret=given["secret"]))
    if point == "before the commit":
        dies(sqlite, "insert", hits)
        dies(postgres, "commit", hits)
    elif point == "before the append":
        dies(LogWriter, "append", hits)
    elif point == "before the removal":
        dies(outbox, "remove", 1)
    async with Dashboard(config, serve=False) as dashboard:
        feed = dashboard.feed
        await asyncio.gather(
            *(trades(feed, f"r{round}-t{w}") for w in range(3)),
            batches(feed, f"r{round}-b"),
            *(alerts(feed, f"r{round}-a{w}") for w in range(3)),
            portfolios(feed, round),
        )
"""
    + FORKS
)


class Feeders:
    """Forks feeders and kills them."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._round = 0
        self.answered: set[Record] = set()

    async def fed_and_killed(self, point: str) -> None:
        """One feeder, killed at the point or, if it does not come to it, a little later."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._round += 1
        order = [self._round, point, random.randint(1, 30)]
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        killing: asyncio.TimerHandle | None = None  # stays None where it dies before an answer
        pid = 0
        async with asyncio.timeout(SECONDS):
            while (line := (await self._process.stdout.readline()).decode().split())[0] != "ended":
                if line[0] == "pid":
                    pid = int(line[1])
                else:
                    self.answered.add((line[0], line[1]))
                if len(line) == 2 and line[0] != "pid" and killing is None:
                    wait = random.uniform(0, LONGEST) if point == "at random" else 5 * LONGEST
                    killing = asyncio.get_running_loop().call_later(
                        wait, os.kill, pid, signal.SIGKILL
                    )
        if killing is not None:
            killing.cancel()
        assert int(line[1]) == -signal.SIGKILL


@asynccontextmanager
async def feeders(folder: Path, **given: Any) -> AsyncIterator[Feeders]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FEEDERS, json.dumps({**given, "secret": SECRET}), cwd=folder,
        env=environment(folder), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Feeders(process)
    finally:
        process.kill()
        await process.wait()


async def committed(server: Server) -> dict[Record, list[Any]]:
    """The states that each record has had."""
    engine = server.backend.engine
    found: dict[Record, list[Any]] = {
        ("trade", id_): [None]
        for (id_,) in await engine.fetch(f"SELECT id FROM trades WHERE id <> '{END}'")
    }
    for id_, status in await engine.fetch(f"SELECT id, status FROM alerts WHERE id <> '{END}'"):
        stages = [state for state, _ in LIFE]
        found["alert", id_] = LIFE[: stages.index(status) + 1]
    points = (await server.dashboard.portfolio.get_portfolio(True, max_points=10**6))["history"]
    times = [point["timestamp"] for point in points]
    found[PORTFOLIO] = [time for time in times if time != parse(END_AS_OF)]
    return found


@pytest.fixture(params=["sqlite", "postgres"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    server: Postgres = request.getfixturevalue("postgres")
    return await server.copied()


def check(published: dict[Record, list[Any]], expected: dict[Record, list[Any]]) -> None:
    """Everything arrived once and in order; of portfolios, a client that lags gets the newest."""
    portfolios, stored = published.pop(PORTFOLIO, []), expected[PORTFOLIO]
    assert portfolios == sorted(set(portfolios) & set(stored))
    others = {record: states for record, states in expected.items() if record != PORTFOLIO}
    assert differences(published, others) == {}


async def survives(
    serve: Serve, database_url: str, events: EventsConfig, folder: Path, kills: list[str]
) -> None:
    sections = {
        "auth": AuthConfig(jwt_secret=SECRET),
        "database": DatabaseConfig(url=database_url),
        "events": events,
        "cache": CacheConfig(),
    }
    count = 2 if events.type == "redis" and database_url.startswith("postgresql") else 1
    servers = [await serve(**sections) for _ in range(count)]
    headers = await servers[0].login()
    for server in servers:
        await server.backend.authenticator.refresh()
    async with AsyncExitStack() as stack:
        listeners = [
            Listener(server.session, lambda url=server.url: url, headers)
            for server in servers
            for _ in range(2)
        ]
        for listener in listeners:
            stack.push_async_callback(listener.close)
            await listener.joined.wait()
        given = {"type": events.type, "redis_url": events.redis_url}
        url = database_url
        if url.startswith("postgresql"):
            url += f"{'&' if '?' in url else '?'}application_name={FEEDER}"
        async with feeders(folder, database=url, events=given) as feeder:
            for point in kills:
                await feeder.fed_and_killed(point)
                random.choice(listeners).cut()
        engine = servers[0].backend.engine

        async def finished() -> bool:
            """Whether PostgreSQL has finished what the killed feeder had sent it."""
            return not database_url.startswith("postgresql") or not await engine.fetch(
                "SELECT 1 FROM pg_stat_activity WHERE application_name = $1", FEEDER
            )

        async def relayed() -> bool:
            return not await engine.fetch("SELECT 1 FROM outbox WHERE channel IS NOT NULL LIMIT 1")

        await until(finished)
        await until(relayed)
        for method, path, record in LAST.values():
            async with servers[0].request(method, path, json=record, headers=headers) as response:
                assert response.status in (200, 201), await response.text()
        expected = await committed(servers[0])
        names = {PORTFOLIO if kind == "portfolio" else (kind, id_)
                 for kind, id_ in feeder.answered}  # fmt: skip
        assert names <= expected.keys()
        for listener in listeners:
            await listener.until_the_end()
            check(listener.published(), expected)


@pytest.fixture(params=["memory", "redis"])
def log(request: pytest.FixtureRequest) -> EventsConfig:
    if request.param == "memory":
        return EventsConfig(history_size=100_000)
    url = request.getfixturevalue("redis_url")
    redis_server.empty(url)
    return EventsConfig(type="redis", redis_url=url, history_size=100_000)


@pytest.mark.parametrize(
    ("database_url", "log"), [("sqlite", "memory"), ("postgres", "redis")], indirect=True
)
async def test_what_a_killed_feeder_committed_is_published_once(
    serve: Serve, database_url: str, log: EventsConfig, tmp_path: Path
) -> None:
    await survives(serve, database_url, log, tmp_path, list(POINTS))


@pytest.mark.kills
@pytest.mark.timeout(600)
async def test_what_a_hundred_killed_feeders_committed_is_published_once(
    serve: Serve, database_url: str, log: EventsConfig, tmp_path: Path
) -> None:
    """25 for each pair of an engine and a log."""
    await survives(serve, database_url, log, tmp_path, [random.choice(POINTS) for _ in range(25)])
