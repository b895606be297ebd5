"""Two gunicorn workers on one PostgreSQL and one Redis behave as one server."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import psutil
import pytest
from aiohttp.test_utils import TestServer

from alphapulse_api.app import create_app
from alphapulse_api.config import AuthConfig, Config, DatabaseConfig, EventsConfig
from tests.commands import ROOT, environment, run
from tests.conftest import PASSWORD
from tests.postgres import Postgres
from tests.proxy import Proxy, proxied
from tests.sockets import Client, trade
from tests.workers import SECRET, Worker, Workers, gunicorn, production

ROUNDS = 20


async def trades_until(client: Client, last: str) -> list[tuple[str, str]]:
    """Id and cursor of every trade up to that one."""
    got: list[tuple[str, str]] = []
    while not got or got[-1][0] != last:
        message = await client.receive()
        if message["type"] == "trade":
            got.append((message["data"]["id"], message["cursor"]))
    return got


async def test_both_tell_the_same_story_in_the_same_order(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with gunicorn(tmp_path, postgres_url, redis_url) as workers:
        posting = [await workers.worker(1), await workers.worker(2)]
        listening = [await workers.worker(1), await workers.worker(2)]

        async def post(worker: Any) -> None:
            for number in range(30):
                body = trade(id=f"{worker.number}-{number}")
                status, _ = await worker.ask(
                    "POST", "/api/trades", json=body, headers=workers.admin
                )
                assert status == 201

        async with (
            listening[0].socket(workers.admin) as first,
            listening[1].socket(workers.admin) as second,
        ):
            for client in (first, second):
                await client.ask(type="subscribe", channels=["trades"])
            await asyncio.gather(*map(post, posting))
            await posting[0].ask(
                "POST", "/api/trades", json=trade(id="last"), headers=workers.admin
            )
            story, other = [await trades_until(client, "last") for client in (first, second)]
            assert story == other
            assert len({id_ for id_, _ in story}) == len(story) == 61

        # Cut off from one in the middle, whoever comes back to the other misses nothing.
        for number in (1, 2):
            since = story[20][1]
            async with (await workers.worker(number)).socket(workers.admin) as client:
                ack = await client.ask(
                    type="subscribe", channels=["trades"], since={"trades": since}
                )
                assert ack["channels"]["trades"] == {
                    "cursor": since, "resumed": True, "replayed": 40,
                }  # fmt: skip
                assert await trades_until(client, "last") == story[21:]
        assert await workers.stop() == 0
        assert "Traceback" not in workers.said


async def test_what_one_is_told_of_callers_the_other_knows(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with gunicorn(tmp_path, postgres_url, redis_url) as workers:
        command = production(postgres_url, redis_url)
        made = await asyncio.to_thread(run, tmp_path, "api-key", "create", "bot", **command)
        assert made.returncode == 0, made.stderr
        key = re.search(r"apk_\S+", made.stdout)
        assert key is not None
        one, two = await workers.worker(1), await workers.worker(2)
        bot = {"X-API-Key": key[0]}
        token = {"token": workers.admin["Authorization"].removeprefix("Bearer ")}
        async with (
            (await workers.worker(1)).socket(bot) as bots,
            (await workers.worker(2)).socket(workers.admin) as admins,
        ):
            for worker in (one, two):
                assert (await worker.ask("GET", "/api/me", headers=bot))[0] == 200
            ended = await asyncio.to_thread(
                run, tmp_path, "api-key", "revoke", key[0].split("_")[1], **command
            )
            assert ended.returncode == 0, ended.stderr
            async with asyncio.timeout(5):
                assert (await bots.until_closed())[:2] == (1008, "revoked")
                # A token taken back through one worker ends the sockets of the other.
                assert (await one.ask("POST", "/token/revoke", data=token))[0] == 200
                assert (await admins.until_closed())[:2] == (1008, "revoked")
                for worker in (one, two):
                    for headers in (bot, workers.admin):
                        while (await worker.ask("GET", "/api/me", headers=headers))[0] != 401:
                            await asyncio.sleep(0.05)


async def test_a_limit_is_one_for_all_of_them(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    text = (ROOT / "conf" / "production.yaml").read_text()
    limited = tmp_path / "limited.yaml"
    limited.write_text(text.replace("requests_per_minute: 600", "requests_per_minute: 120"))
    async with gunicorn(tmp_path, postgres_url, redis_url, AP_CONFIG=str(limited)) as workers:
        both = [await workers.worker(1), await workers.worker(2)]
        spent = 0
        statuses: list[int] = []
        while len(statuses) < 160:
            for worker in both:
                statuses.append((await worker.ask("GET", "/api/me", headers=workers.admin))[0])
        spent = statuses.count(200)
        # Finding the workers took some, and one comes back every half second.
        assert 429 in statuses
        assert spent <= 120 + 20
        first_refusal = statuses.index(429)
        assert statuses[:first_refusal] == [200] * first_refusal
        assert {200, 429} == set(statuses)


async def test_another_process_feeds_them(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    feeder = """
import sys
from alphapulse_api import Config, Dashboard
with Dashboard.in_thread(Config.load(), serve=False) as feed:
    for number in range(20):
        feed.record_trade({"id": f"fed-{number}", "symbol": "BTC", "side": "buy",
                           "quantity": "1", "price": "2"})
"""
    async with gunicorn(tmp_path, postgres_url, redis_url) as workers:
        reading = [await workers.worker(1), await workers.worker(2)]
        for worker in reading:  # an answer to be overtaken
            status, content = await worker.ask("GET", "/api/trades", headers=workers.admin)
            assert (status, content) == (200, [])
        async with (
            (await workers.worker(1)).socket(workers.admin) as first,
            (await workers.worker(2)).socket(workers.admin) as second,
        ):
            for client in (first, second):
                await client.ask(type="subscribe", channels=["trades"])
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", feeder, cwd=tmp_path,
                env=environment(tmp_path, **production(postgres_url, redis_url)),
            )  # fmt: skip
            assert await process.wait() == 0
            stories = [await trades_until(client, "fed-19") for client in (first, second)]
            assert [id_ for id_, _ in stories[0]] == [f"fed-{number}" for number in range(20)]
            assert stories[0] == stories[1]
        for worker in reading:
            _, content = await worker.ask("GET", "/api/trades", headers=workers.admin)
            assert len(content) == 20


async def test_a_killed_worker_loses_nothing_it_answered(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with gunicorn(tmp_path, postgres_url, redis_url) as workers:
        answered: list[str] = []
        stopping = asyncio.Event()

        async def ingest(who: int) -> None:
            number = 0
            async with aiohttp.ClientSession() as session:
                while not stopping.is_set():
                    number += 1
                    id_ = f"{who}-{number}"
                    try:
                        async with session.post(
                            f"{workers.url}/api/trades",
                            json=trade(id=id_),
                            headers=workers.admin,
                        ) as response:
                            if response.status == 201:
                                answered.append(id_)
                            elif response.status == 429:
                                await asyncio.sleep(0.01)
                    except (aiohttp.ClientError, ConnectionError):
                        continue

        feeding = [asyncio.create_task(ingest(who)) for who in range(4)]
        for _ in range(ROUNDS):
            before = len(answered)
            victim = random.choice(alive(workers))
            while len(answered) < before + 3:
                await asyncio.sleep(0)
            os.kill(victim, signal.SIGKILL)
            while victim in alive(workers) or len(alive(workers)) < 2:
                await asyncio.sleep(0.01)
        stopping.set()
        await asyncio.gather(*feeding)
        async with (
            aiohttp.ClientSession() as session,
            session.get(
                f"{workers.url}/api/trades", params={"format": "ndjson"}, headers=workers.admin
            ) as response,
        ):
            assert response.status == 200
            stored = [json.loads(line)["id"] for line in (await response.text()).splitlines()]
        assert len(stored) == len(set(stored))
        assert set(answered) <= set(stored)
        assert len(answered) >= ROUNDS * 3


def alive(workers: Workers) -> list[int]:
    """The process ids of the workers."""
    return [child.pid for child in psutil.Process(workers.process.pid).children()]


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


async def replaced(workers: Workers, old: list[int]) -> None:
    """Wait until none of those is left, and as many others are there."""
    async with asyncio.timeout(30):
        while set(old) & set(alive(workers)) or len(alive(workers)) < len(old):
            await asyncio.sleep(0.02)


async def test_a_worker_that_starts_while_postgres_is_away_waits_for_it(
    tmp_path: Path, postgres: Postgres, postgres_url: str, redis_url: str
) -> None:
    async with (
        behind_a_proxy(postgres, postgres_url) as (proxy, url),
        gunicorn(tmp_path, url, redis_url, GUNICORN_CMD_ARGS="--timeout 3") as workers,
        (await workers.worker(1)).socket(workers.admin) as client,
    ):
        second = max(alive(workers))
        there, proxy.target = proxy.target, str(tmp_path / "nothing")
        proxy.cut()
        os.kill(second, signal.SIGKILL)
        await workers.says("cannot start yet: database.url: cannot use ")
        pids = alive(workers)
        workers.process.send_signal(signal.SIGHUP)
        await workers.says("not reloaded: database.url: cannot use ")
        await asyncio.sleep(4.5)  # longer than gunicorn waits for a silent worker
        assert alive(workers) == pids
        assert len(pids) == 2
        assert (await client.ask(type="ping"))["type"] == "pong"

        proxy.target = there
        await workers.says("can start now")
        status, _ = await (await workers.worker(2)).ask(
            "POST", "/api/trades", json=trade(id="late"), headers=workers.admin
        )
        assert status == 201
        assert alive(workers) == pids
        assert workers.said.count("cannot start yet") == 1
        assert "Traceback" not in workers.said

        # One that waits ends as soon as it is told to.
        proxy.target = str(tmp_path / "nothing")
        proxy.cut()
        os.kill(max(pids), signal.SIGKILL)
        await workers.says(r"(?s)cannot start yet.+cannot start yet")
        async with asyncio.timeout(10):
            assert await workers.stop() == 0
        assert "Traceback" not in workers.said


async def test_a_reload_that_cannot_be_leaves_all_as_it_was(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    good = (ROOT / "conf" / "production.yaml").read_text()
    file = tmp_path / "edited.yaml"
    file.write_text(good)
    async with gunicorn(tmp_path, postgres_url, redis_url, AP_CONFIG=str(file)) as workers:
        pids = alive(workers)
        async with (await workers.worker(1)).socket(workers.admin) as client:
            for text, reason in [
                (good.replace("requests_per_minute", "request_per_minute"), "request_per_minute"),
                (good + "  : [", "expected <block end>"),
                (good.replace("type: redis  ", "type: memory"), "several workers need"),
            ]:
                file.write_text(text)
                workers.process.send_signal(signal.SIGHUP)
                await workers.says(f"not reloaded: .*{reason}")
                assert alive(workers) == pids
                assert (await client.ask(type="ping"))["type"] == "pong"
            # Nor does it stop the one that takes the place of a dead one.
            os.kill(pids[0], signal.SIGKILL)
            await replaced(workers, pids[:1])
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
            pids = alive(workers)
            file.write_text(text.replace("minute: 600", f"minute: {minutes}"))
            workers.process.send_signal(signal.SIGHUP)
            await replaced(workers, pids)
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
