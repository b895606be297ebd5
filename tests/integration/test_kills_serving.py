"""kill -9 of what serves, while others go on writing: every committed record is published once.

Sockets resume where the event log outlives the server. Where it does not, the server says so, and
what they read anew and what is published from then on is everything.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from tests.commands import ROOT, Process, serving
from tests.conftest import PASSWORD
from tests.listeners import END, LAST, LIFE, Listener, Record, differences, state
from tests.paced import feeding
from tests.socket_client import alert, trade
from tests.waiting import until
from tests.workers import Workers, gunicorn

pytestmark = [pytest.mark.kills, pytest.mark.timeout(600)]
KILLS = 20
UNRELAYED = "SELECT 1 FROM outbox WHERE channel IS NOT NULL LIMIT 1"
LONGEST = 0.3  # seconds between a message and the kill


async def login(session: aiohttp.ClientSession, url: str) -> dict[str, str]:
    form = {"grant_type": "password", "username": "admin", "password": PASSWORD}
    async with session.post(f"{url}/token", data=form) as response:
        assert response.status == 200, await response.text()
        return {"Authorization": f"Bearer {(await response.json())['access_token']}"}


async def committed(url: str, session: aiohttp.ClientSession, headers: dict[str, str]) -> Any:
    """The states that each trade and alert has had, and the last portfolio."""
    found: dict[Record, list[Any]] = {}
    for kind in ("trade", "alert"):
        async with session.get(f"{url}/api/{kind}s?format=ndjson", headers=headers) as response:
            assert response.status == 200
            for line in (await response.text()).splitlines():
                record, now = state(kind, json.loads(line))
                found[record] = LIFE[: LIFE.index(now) + 1] if kind == "alert" else [now]
    del found["trade", END], found["alert", END]
    return found


class Served:
    """One SQLite file and the server that serves it now."""

    def __init__(self, folder: Path, stack: AsyncExitStack, **env: str) -> None:
        self._folder = folder
        self._stack = stack
        self._env = env
        self._server: Process | None = None
        self.url = ""

    async def start(self) -> None:
        started = serving(self._folder, "serve", "--port", "0", **self._env)
        self._server = await self._stack.enter_async_context(started)
        self.url = self._server.url

    async def replaced(self, *, waiting: bool) -> None:
        """kill -9; the next server waits for the file already, or starts afterwards."""
        assert self._server is not None
        killed = self._server
        starting = asyncio.create_task(self.start()) if waiting else None
        await asyncio.sleep(random.uniform(0, LONGEST))
        killed.process.kill()
        assert await killed.process.wait() == -signal.SIGKILL
        await (starting or self.start())


@pytest.fixture(params=["memory", "redis"])
def configuration(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment of servers and feeder: one SQLite file, with either event log."""
    lines = [
        f"database: {{url: 'sqlite:///{tmp_path}/store.db'}}",
        "rate_limit: {enabled: false}",
        "events: {history_size: 100000}",
    ]
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
        lines[-1] = f"events: {{type: redis, redis_url: '{url}', history_size: 100000}}"
    path = tmp_path / "kills.yaml"
    path.write_text("dashboard_api:\n" + "".join(f"  {line}\n" for line in lines))
    return {"AP_CONFIG": str(path), "AP_ADMIN_PASSWORD": PASSWORD}


async def test_a_killed_server_of_a_file_loses_nothing_that_others_write(
    tmp_path: Path, configuration: dict[str, str], request: pytest.FixtureRequest
) -> None:
    lasting = "redis" in request.node.callspec.id
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        served = Served(tmp_path, stack, **configuration)
        await served.start()
        headers = await login(session, served.url)
        listeners = [
            Listener(session, lambda: served.url, headers, lasting=lasting) for _ in range(3)
        ]
        for listener in listeners:
            stack.push_async_callback(listener.close)
            await listener.joined.wait()
        feeder = await stack.enter_async_context(feeding(tmp_path, **configuration))
        for number in range(KILLS):
            await asyncio.gather(*(listener.catch_up() for listener in listeners))
            await served.replaced(waiting=bool(number % 2))
            await feeder.stores_more()
        await asyncio.gather(*(listener.catch_up() for listener in listeners))
        await feeder.end()
        relayed = partial(_relayed, tmp_path / "store.db")
        await _ends(served.url, session, headers, listeners, relayed)
        expected = await committed(served.url, session, headers)
        names = {record for record in feeder.answered if record[0] != "portfolio"}
        assert names <= expected.keys()
        for listener in listeners:
            assert len(listener.logs) == (1 if lasting else KILLS + 1)
            _check(listener, expected)


def _relayed(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        return not connection.execute(UNRELAYED).fetchall()


async def _ends(
    url: str,
    session: aiohttp.ClientSession,
    headers: dict[str, str],
    listeners: list[Listener],
    relayed: Callable[[], Any],
) -> None:
    """Publish the last record of each channel, and wait until everyone has them."""
    await until(relayed)
    for method, path, record in LAST.values():
        async with session.request(method, url + path, json=record, headers=headers) as response:
            assert response.status in (200, 201), await response.text()
    for listener in listeners:
        await listener.until_the_end()


def _check(listener: Listener, expected: dict[Record, list[Any]]) -> None:
    """Each log has each state at most once and in order; nothing is missing at the end."""
    for number in range(len(listener.logs)):
        published = listener.published(number)
        times = published.pop(("portfolio", "main"), [])
        assert times == sorted(set(times))
        for record, states in published.items():
            whole = expected[record]
            first = whole.index(states[0])
            assert states == whole[first : first + len(states)], record
    known = listener.known()
    known.pop(("portfolio", "main"), None)
    last = {record: states[-1:] for record, states in expected.items()}
    assert differences({record: [now] for record, now in known.items()}, last) == {}
    if len(listener.logs) == 1:
        published = listener.published()
        published.pop(("portfolio", "main"), None)
        assert differences(published, expected) == {}


async def test_killed_workers_lose_and_double_nothing_for_sockets_that_resume(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    text = (ROOT / "conf" / "production.yaml").read_text()
    unlimited = tmp_path / "unlimited.yaml"
    unlimited.write_text(text.replace("requests_per_minute: 600", "requests_per_minute: 1000000"))
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        workers = await stack.enter_async_context(
            gunicorn(tmp_path, postgres_url, redis_url, AP_CONFIG=str(unlimited))
        )
        listeners = [Listener(session, lambda: workers.url, workers.admin) for _ in range(4)]
        for listener in listeners:
            stack.push_async_callback(listener.close)
            await listener.joined.wait()
        answered: set[Record] = set()
        stopping = asyncio.Event()
        posting = [
            asyncio.create_task(post(session, workers, f"p{who}", answered, stopping))
            for who in range(4)
        ]
        for _ in range(KILLS):
            await asyncio.gather(*(listener.catch_up() for listener in listeners))
            await asyncio.sleep(random.uniform(0, LONGEST))
            victim = random.choice(workers.alive())
            os.kill(victim, signal.SIGKILL)
            await until(lambda victim=victim: _replaced(workers, victim))
        stopping.set()
        await asyncio.gather(*posting)
        database = await asyncpg.connect(postgres_url)
        stack.push_async_callback(database.close)

        async def relayed() -> bool:
            return not await database.fetch(UNRELAYED)

        await _ends(workers.url, session, workers.admin, listeners, relayed)
        expected = await committed(workers.url, session, workers.admin)
        assert answered <= expected.keys()
        for listener in listeners:
            assert differences(listener.published(), expected) == {}


def _replaced(workers: Workers, victim: int) -> bool:
    alive = workers.alive()
    return victim not in alive and len(alive) == 2


async def post(
    session: aiohttp.ClientSession,
    workers: Workers,
    who: str,
    answered: set[Record],
    stopping: asyncio.Event,
) -> None:
    """Send trades and alerts, and change the alerts, until asked to stop.

    A call whose connection ends is sent again until it is answered, as a client would.
    """

    async def sent(path: str, body: Any = None) -> None:
        while True:
            try:
                async with session.post(
                    workers.url + path, json=body, headers=workers.admin
                ) as response:
                    assert response.status in (200, 201), await response.text()
                    return
            except (aiohttp.ClientError, ConnectionError):
                continue

    number = 0
    while not stopping.is_set():
        number += 1
        id_ = f"{who}-{number}"
        await sent("/api/trades", trade(id=id_))
        answered.add(("trade", id_))
        await sent("/api/alerts", alert(id=id_))
        answered.add(("alert", id_))
        await sent(f"/api/alerts/{id_}/acknowledge")
        await sent(f"/api/alerts/{id_}/resolve")
