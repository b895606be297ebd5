"""/readyz while a commit hangs: answered soon, true, and healed by itself."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from alphapulse_api.config import AuthConfig, DatabaseConfig
from alphapulse_api.runtime import readiness
from alphapulse_api.storage.engine import group
from tests import postgres as postgres_server
from tests.asking import ALERT, Answer, ask, problem, until_ready
from tests.clock import LoopClock
from tests.commands import Process, environment
from tests.conftest import PASSWORD, Serve, Server
from tests.units import Held
from tests.waiting import until
from tests.workers import SECRET

# When the newest of the commits began that wait for a standby.
UNCONFIRMED = """
SELECT coalesce(max(extract(epoch FROM query_start)), 0) FROM pg_stat_activity
WHERE wait_event = 'SyncRep'
"""
SOURCE = Path(__file__).parents[1] / "slow_disk.c"
# The same server, but for what it takes to call a commit one that hangs.
QUICK = (
    "from alphapulse_api.storage.engine import group; group.STALL_SECONDS = 0.5; "
    "from alphapulse_api.cli import main; import sys; sys.argv = ['alphapulse_api', 'serve']; "
    "main()"
)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(readiness, "SHARED_SECONDS", 0.05)
    monkeypatch.setattr(readiness, "PROBE_SECONDS", 0.05)


async def until_down(server: Server) -> None:
    async def down() -> bool:
        return (await ask(server, "GET", "/readyz")).status == 503

    await until(down)


async def figure(server: Server, caller: dict[str, str], name: str) -> float:
    text = (await ask(server, "GET", "/metrics", caller)).body.decode()
    (line,) = [line for line in text.splitlines() if line.startswith(f"alphapulse_{name} ")]
    return float(line.split()[1])


@pytest.fixture(params=["sqlite", "postgres"])
async def start(request: pytest.FixtureRequest, serve: Serve) -> Callable[[], Awaitable[Server]]:
    """Start a server on either engine."""
    sections: dict[str, Any] = {}
    if request.param == "postgres":
        url = await request.getfixturevalue("postgres").copied()
        sections = {
            "database": DatabaseConfig(url=url), "auth": AuthConfig(jwt_secret=SECRET),
        }  # fmt: skip
    return partial(serve, **sections)


@asynccontextmanager
async def commit_under_way(server: Server) -> AsyncIterator[None]:
    engine = server.backend.engine
    held = Held(engine)
    writing = asyncio.create_task(engine.write(held))
    try:
        await held.entered()
        yield
    finally:
        held.release()
        await writing


async def test_a_commit_that_is_slow_is_not_waited_for(
    start: Callable[[], Awaitable[Server]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "STALL_SECONDS", 3600.0)
    server = await start()
    async with commit_under_way(server):
        assert (await ask(server, "GET", "/readyz")).status == 200


async def test_a_commit_that_hangs_is_down_until_it_ends(
    start: Callable[[], Awaitable[Server]],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group, "STALL_SECONDS", 0.2)
    server = await start()
    caller = await server.key()
    await until_ready(server)
    caplog.clear()
    async with commit_under_way(server):
        # Nobody needs to ask for the log to say so.
        await until(lambda: "the database is away" in caplog.text)
        assert "A transaction has been under way for" in caplog.text
        for _ in range(10):
            answer = await ask(server, "GET", "/readyz")
            assert problem(answer, 503)["down"] == ["database"]
            await asyncio.sleep(0.03)
        assert await figure(server, caller, "database_up") == 0
        assert await figure(server, caller, "commit_under_way_seconds") > 0.2
    await until_ready(server)
    assert caplog.text.count("the database is away") == 1
    assert await figure(server, caller, "database_up") == 1
    assert await figure(server, caller, "commit_under_way_seconds") == 0


async def test_an_absent_synchronous_standby_is_down_all_the_time_until_it_is_back(
    serve: Serve, clock: LoopClock
) -> None:
    with postgres_server.server() as postgres:
        database = DatabaseConfig(url=await postgres.copied())
        server = await serve(database=database, auth=AuthConfig(jwt_secret=SECRET))
        caller = await server.key("publish")
        local = "SET synchronous_commit = local"
        await postgres.run(
            local,
            "ALTER SYSTEM SET synchronous_standby_names = 'away'",
            "ALTER SYSTEM SET synchronous_commit = on",
            "SELECT pg_reload_conf()",
        )

        def raising() -> asyncio.Task[Answer]:
            return asyncio.create_task(ask(server, "POST", "/api/alerts", caller, json=ALERT))

        async def given_up(*alerts: asyncio.Task[Answer]) -> None:
            while not all(alert.done() for alert in alerts):
                await clock.advance(database.statement_timeout + 2)
                await asyncio.sleep(0.01)
            assert {(await alert).status for alert in alerts} == {503}

        async def hanging() -> asyncio.Task[Answer]:
            """An alert whose commit is not confirmed.

            Before the reload it is committed, and after a time-out it is refused at once until the
            server has answered a probe.
            """
            newest = await postgres.ask(UNCONFIRMED)
            while True:
                alert = raising()
                while not alert.done():
                    if await postgres.ask(UNCONFIRMED) > newest:
                        return alert

        await given_up(await hanging())
        await until_down(server)
        alerts = [await hanging(), raising(), raising()]
        for _ in range(30):  # at once: nothing but the clock ends the commit
            assert (await ask(server, "GET", "/readyz")).status == 503
        assert not any(alert.done() for alert in alerts)
        await given_up(*alerts)
        assert (await ask(server, "GET", "/readyz")).status == 503
        await postgres.run(
            local,
            "ALTER SYSTEM RESET synchronous_standby_names",
            "SELECT pg_reload_conf()",
        )

        async def confirmed() -> bool:
            return (await raising()).status == 201

        await until(confirmed)
        await until_ready(server)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no compiler for the slow disk")
async def test_a_disk_that_hangs_is_reported_until_it_answers(tmp_path: Path) -> None:
    library, flag = tmp_path / "slow_disk.so", tmp_path / "slow"
    compiler = await asyncio.create_subprocess_exec(
        "cc", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"
    )
    assert await compiler.wait() == 0
    (tmp_path / "c.yaml").write_text("dashboard_api: {port: 0}")
    process = Process(
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", QUICK,
            cwd=tmp_path,
            env=environment(
                tmp_path,
                AP_CONFIG="c.yaml",
                AP_ADMIN_PASSWORD=PASSWORD,
                LD_PRELOAD=str(library),
                SLOW_DISK=str(flag),
            ),
            stderr=asyncio.subprocess.PIPE,
        )
    )  # fmt: skip
    try:
        await process.up()
        async with aiohttp.ClientSession() as session:
            form = {"grant_type": "password", "username": "admin", "password": PASSWORD}
            async with session.post(f"{process.url}/token", data=form) as response:
                token = (await response.json())["access_token"]
            headers = {"Authorization": f"Bearer {token}"}

            async def status() -> int:
                async with session.get(f"{process.url}/readyz") as response:
                    return response.status

            assert await status() == 200
            flag.touch()
            alerts = f"{process.url}/api/alerts"
            raising = asyncio.create_task(session.post(alerts, json=ALERT, headers=headers))

            async def answers(expected: int) -> bool:
                return await status() == expected

            await until(lambda: answers(503))
            await until(lambda: "going on without it: A transaction has been" in process.said)
            assert not raising.done()
            flag.unlink()
            assert (await raising).status == 201
            await until(lambda: answers(200))
    finally:
        flag.unlink(missing_ok=True)
        await process.stop()
    assert "the database is back" in process.said
