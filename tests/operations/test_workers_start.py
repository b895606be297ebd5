"""How gunicorn's workers start, wait, are replaced and reload."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from alphapulse_api.app import create_app
from alphapulse_api.config import AuthConfig, Config, DatabaseConfig, EventsConfig
from tests.commands import ROOT, environment
from tests.conftest import PASSWORD
from tests.postgres import Postgres
from tests.proxy import Proxy, proxied
from tests.socket_client import trade, trades_until
from tests.waiting import SECONDS
from tests.workers import SECRET, Worker, gunicorn, production

pytestmark = pytest.mark.operations


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"AP_DATABASE_URL": "postgresql://nobody:hunter2@127.0.0.1:1/x"}, "database.url"),
        ({"AP_JWT_SECRET": "short"}, "auth.jwt_secret"),
        ({"AP_ADMIN_PASSWORD": "short"}, "AP_ADMIN_PASSWORD"),
    ],
)
async def test_what_cannot_start_says_why_in_one_line_and_ends(
    wrong: dict[str, str], key: str, tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    variables = {**production(postgres_url, redis_url), **wrong}
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "conf" / "gunicorn.conf.py")],
        cwd=tmp_path, env=environment(tmp_path, **variables), capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip
    assert ended.returncode != 0
    assert re.search(rf"^(\S+: )?{key}:? .+$", ended.stderr, re.MULTILINE), ended.stderr
    assert "Booting worker" not in ended.stderr
    assert "hunter2" not in ended.stderr
    assert "Traceback" not in ended.stderr


@asynccontextmanager
async def behind_a_proxy(postgres: Postgres, url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A way to that database that can be taken away, and its URL."""
    async with proxied(postgres.socket) as proxy:
        database = urlsplit(url)
        port = urlsplit(proxy.url).port
        user = database.username or "postgres"
        yield proxy, f"postgresql://{user}@127.0.0.1:{port}{database.path}"


async def test_a_worker_that_starts_while_postgres_is_away_waits_for_it(
    tmp_path: Path, postgres: Postgres, postgres_url: str, redis_url: str
) -> None:
    async with (
        behind_a_proxy(postgres, postgres_url) as (proxy, url),
        gunicorn(tmp_path, url, redis_url, GUNICORN_CMD_ARGS="--timeout 3") as workers,
        (await workers.worker(1)).socket(workers.admin) as client,
    ):
        second = max(workers.alive())
        there, proxy.target = proxy.target, str(tmp_path / "nothing")
        proxy.cut()
        os.kill(second, signal.SIGKILL)
        await workers.says("cannot start yet: database.url: cannot use ")
        pids = workers.alive()
        workers.process.send_signal(signal.SIGHUP)
        await workers.says("not reloaded: database.url: cannot use ")
        await asyncio.sleep(4.5)  # longer than gunicorn waits for a silent worker
        assert workers.alive() == pids
        assert len(pids) == 2
        assert (await client.ask(type="ping"))["type"] == "pong"

        proxy.target = there
        await workers.says("can start now")
        status, _ = await (await workers.worker(2)).ask(
            "POST", "/api/trades", json=trade(id="late"), headers=workers.admin
        )
        assert status == 201
        assert workers.alive() == pids
        assert workers.said.count("cannot start yet") == 1
        assert "Traceback" not in workers.said

        # One that waits ends as soon as it is asked to.
        proxy.target = str(tmp_path / "nothing")
        proxy.cut()
        os.kill(max(pids), signal.SIGKILL)
        await workers.says(r"(?s)cannot start yet.+cannot start yet")
        async with asyncio.timeout(SECONDS):
            assert await workers.stop() == 0
        assert "Traceback" not in workers.said


async def test_a_reload_that_cannot_be_leaves_all_as_it_was(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    good = (ROOT / "conf" / "production.yaml").read_text()
    file = tmp_path / "edited.yaml"
    file.write_text(good)
    async with gunicorn(tmp_path, postgres_url, redis_url, AP_CONFIG=str(file)) as workers:
        pids = workers.alive()
        async with (await workers.worker(1)).socket(workers.admin) as client:
            for text, reason in [
                (good.replace("requests_per_minute", "request_per_minute"), "request_per_minute"),
                (good + "  : [", "expected <block end>"),
                (good.replace("type: redis  ", "type: memory"), "several workers need"),
            ]:
                file.write_text(text)
                workers.process.send_signal(signal.SIGHUP)
                await workers.says(f"not reloaded: .*{reason}")
                assert workers.alive() == pids
                assert (await client.ask(type="ping"))["type"] == "pong"
            # Nor does it stop the one that takes the place of a dead one.
            os.kill(pids[0], signal.SIGKILL)
            await workers.replaced(pids[:1])
            for number in (1, 2):
                await workers.worker(number)
        assert "Traceback" not in workers.said


async def test_a_reload_takes_over_the_configuration_and_the_numbers(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    file = tmp_path / "edited.yaml"
    text = (ROOT / "conf" / "production.yaml").read_text()
    file.write_text(text)
    async with gunicorn(tmp_path, postgres_url, redis_url, AP_CONFIG=str(file)) as workers:
        for minutes in (700, 800):
            pids = workers.alive()
            file.write_text(text.replace("minute: 600", f"minute: {minutes}"))
            workers.process.send_signal(signal.SIGHUP)
            await workers.replaced(pids, len(pids))
            for number in (1, 2):
                await workers.worker(number)
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"{workers.url}/api/me", headers=workers.admin) as response,
            ):
                assert str(minutes) in response.headers["RateLimit-Policy"]
        assert await workers.stop() == 0
        assert "Traceback" not in workers.said


async def test_one_worker_needs_no_redis(tmp_path: Path, postgres_url: str) -> None:
    file = tmp_path / "alone.yaml"
    file.write_text(
        "dashboard_api: {port: 0, database: {url: '${AP_DATABASE_URL}'}, "
        "auth: {jwt_secret: '${AP_JWT_SECRET}'}}"
    )
    variables = {"AP_CONFIG": str(file), "AP_ADMIN_PASSWORD": ""}
    async with gunicorn(tmp_path, postgres_url, "", count=1, **variables) as workers:
        await workers.worker(1)
        assert await workers.stop() == 0
    assert workers.said.count("with the password") == 1
    assert "WARNING" not in workers.said
    assert "Traceback" not in workers.said


async def test_a_backend_that_was_half_open_opens_again(
    postgres: Postgres,
    postgres_url: str,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("AP_WORKER", "1")
    monkeypatch.setenv("AP_ADMIN_PASSWORD", PASSWORD)
    async with behind_a_proxy(postgres, postgres_url) as (proxy, url):
        config = Config(
            auth=AuthConfig(jwt_secret=SECRET),
            database=DatabaseConfig(url=url),
            events=EventsConfig(type="redis", redis_url=redis_url),
        )
        # The connection that migrates lives; the one that reads the users, after redis, does not.
        proxy.cut_at([2**32, 1, 1, 1])
        async with TestServer(create_app(config)) as server, aiohttp.ClientSession() as session:
            assert proxy.cuts == 3
            form = {"grant_type": "password", "username": "admin", "password": PASSWORD}
            async with session.post(server.make_url("/token"), data=form) as response:
                token = (await response.json())["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            worker = Worker(str(server.make_url("")), session, 1)
            async with worker.socket(headers) as client:
                await client.ask(type="subscribe", channels=["trades"])
                body = trade(id="one")
                assert (await worker.ask("POST", "/api/trades", json=body, headers=headers))[
                    0
                ] == 201
                assert [id_ for id_, _ in await trades_until(client, "one")] == ["one"]
    said = [record.getMessage() for record in caplog.records if record.name == "alphapulse_api.app"]
    assert len(said) == 2
    assert said[0].startswith("cannot start yet: ")
    assert said[1] == "can start now"


async def test_term_ends_the_workers_without_a_word_of_trouble(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with gunicorn(tmp_path, postgres_url, redis_url) as workers:
        assert await workers.stop() == 0
    assert workers.said.count("Worker exiting") == 2
    assert "Error" not in workers.said
    assert "Traceback" not in workers.said


async def test_several_workers_on_an_sqlite_file_are_refused(
    tmp_path: Path, redis_url: str
) -> None:
    variables = production(f"sqlite:///{tmp_path}/store.db", redis_url)
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "conf" / "gunicorn.conf.py")],
        cwd=tmp_path, env=environment(tmp_path, **variables), capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip
    assert ended.returncode != 0
    assert "only one worker can serve an SQLite file; set WEB_CONCURRENCY=1" in ended.stderr


async def test_a_reload_on_an_sqlite_file_hands_it_to_the_new_worker(
    tmp_path: Path, redis_url: str
) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    async with gunicorn(tmp_path, url, redis_url, count=1) as workers:
        old = workers.alive()
        workers.process.send_signal(signal.SIGHUP)
        await workers.replaced(old, len(old))
        status, _ = await (await workers.worker(1)).ask(
            "POST", "/api/trades", json=trade(id="after"), headers=workers.admin
        )
        assert status == 201
    assert "Traceback" not in workers.said
