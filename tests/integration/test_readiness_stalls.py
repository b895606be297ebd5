"""/readyz while a commit hangs: answered soon, true, and healed by itself."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from alphapulse_api.config import AuthConfig, Config, DatabaseConfig
from alphapulse_api.runtime import readiness
from alphapulse_api.storage.engine import group
from tests import postgres as postgres_server
from tests.asking import ALERT, ask, problem, until_ready
from tests.commands import Process, environment
from tests.conftest import PASSWORD, Serve, Server
from tests.units import Held
from tests.workers import SECRET

SOURCE = Path(__file__).parents[1] / "slow_disk.c"
# The same server, but for what it takes to call a commit one that hangs.
QUICK = (
    "from alphapulse_api.storage.engine import group; group.STALL_SECONDS = 0.5; "
    "from alphapulse_api.cli import main; import sys; sys.argv = ['alphapulse_api', 'serve']; "
    "main()"
)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "STALL_SECONDS", 0.4)
    monkeypatch.setattr(readiness, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(readiness, "SHARED_SECONDS", 0.05)
    monkeypatch.setattr(readiness, "PROBE_SECONDS", 0.05)


async def until_down(server: Server) -> None:
    async with asyncio.timeout(10):
        while (await ask(server, "GET", "/readyz")).status != 503:
            await asyncio.sleep(0.02)


async def figure(server: Server, caller: dict[str, str], name: str) -> float:
    text = (await ask(server, "GET", "/metrics", caller)).body.decode()
    (line,) = [line for line in text.splitlines() if line.startswith(f"alphapulse_{name} ")]
    return float(line.split()[1])


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_commit_that_hangs_is_down_and_one_that_is_slow_is_not(
    kind: str, serve: Serve, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    sections = {}
    if kind == "postgres":
        url = await request.getfixturevalue("postgres").new()
        sections = {
            "database": DatabaseConfig(url=url), "auth": AuthConfig(jwt_secret=SECRET),
        }  # fmt: skip
    server = await serve(**sections)
    caller = await server.key()
    engine = server.dashboard._backend.engine
    held = Held(engine)
    writing = asyncio.create_task(engine.write(held))
    await held.entered()
    started = time.monotonic()
    assert (await ask(server, "GET", "/readyz")).status == 200
    assert time.monotonic() - started < 0.35  # it did not wait for the commit
    # Nobody needs to ask for the log to tell of it.
    async with asyncio.timeout(10):
        while "the database is away" not in caplog.text:
            await asyncio.sleep(0.02)
    assert "A transaction has been under way for" in caplog.text
    for _ in range(10):
        answer = await ask(server, "GET", "/readyz")
        assert problem(answer, 503)["down"] == ["database"]
        await asyncio.sleep(0.03)
    assert await figure(server, caller, "database_up") == 0
    assert await figure(server, caller, "commit_under_way_seconds") > 0.4
    held.release()
    await writing
    await until_ready(server)
    assert caplog.text.count("the database is away") == 1
    assert await figure(server, caller, "database_up") == 1
    assert await figure(server, caller, "commit_under_way_seconds") == 0


async def test_an_absent_synchronous_standby_is_down_all_the_time_until_it_is_back(
    config: Config, serve: Serve
) -> None:
    with postgres_server.server() as postgres:
        database = DatabaseConfig(url=await postgres.new(), statement_timeout=0.2)
        server = await serve(database=database, auth=AuthConfig(jwt_secret=SECRET))
        caller = await server.key("publish")
        local = "SET synchronous_commit = local"
        await postgres.run(
            local,
            "ALTER SYSTEM SET synchronous_standby_names = 'away'",
            "ALTER SYSTEM SET synchronous_commit = on",
            "SELECT pg_reload_conf()",
        )
        raised = 0
        while raised != 503:  # the reload takes a moment
            raised = (await ask(server, "POST", "/api/alerts", caller, json=ALERT)).status
        await until_down(server)
        raising = [
            asyncio.create_task(ask(server, "POST", "/api/alerts", caller, json=ALERT))
            for _ in range(3)
        ]
        for _ in range(30):  # a commit hangs, and is given up, meanwhile
            started = time.monotonic()
            assert (await ask(server, "GET", "/readyz")).status == 503
            assert time.monotonic() - started < 1
            await asyncio.sleep(0.05)
        assert {answer.status for answer in await asyncio.gather(*raising)} == {503}
        await postgres.run(
            local,
            "ALTER SYSTEM RESET synchronous_standby_names",
            "SELECT pg_reload_conf()",
        )
        async with asyncio.timeout(10):
            while (await ask(server, "POST", "/api/alerts", caller, json=ALERT)).status != 201:
                await asyncio.sleep(0.05)
        await until_ready(server)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no compiler for the slow disk")
async def test_a_disk_that_hangs_is_told_and_then_forgotten(tmp_path: Path) -> None:
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
                async with asyncio.timeout(3), session.get(f"{process.url}/readyz") as response:
                    return response.status

            assert await status() == 200
            flag.touch()
            alerts = f"{process.url}/api/alerts"
            raising = asyncio.create_task(session.post(alerts, json=ALERT, headers=headers))
            async with asyncio.timeout(10):
                while await status() != 503:
                    await asyncio.sleep(0.05)
            async with asyncio.timeout(10):
                while "going on without it: A transaction has been" not in process.said:
                    await asyncio.sleep(0.02)
            assert not raising.done()
            flag.unlink()
            assert (await raising).status == 201
            async with asyncio.timeout(10):
                while await status() != 200:
                    await asyncio.sleep(0.05)
    finally:
        flag.unlink(missing_ok=True)
        await process.stop()
    assert "the database is back" in process.said
