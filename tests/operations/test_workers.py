"""Two gunicorn workers on one PostgreSQL and one Redis behave as one server."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.commands import ROOT, environment, run
from tests.socket_client import trade, trades_until
from tests.waiting import SECONDS, until
from tests.workers import Worker, gunicorn, production

pytestmark = pytest.mark.operations

ROUNDS = 20


async def test_both_publish_the_same_events_in_the_same_order(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    named = {"AP_ALLOWED_HOST": "dash.example.com"}
    async with gunicorn(tmp_path, postgres_url, redis_url, **named) as workers:
        for host, status in (("dash.example.com", 200), ("evil.example", 421)):
            worker = await workers.worker(1)
            assert (await worker.ask("GET", "/healthz", headers={"Host": host}))[0] == status
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


async def test_changes_of_users_and_keys_reach_the_other_worker(
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
            async with asyncio.timeout(SECONDS):
                assert (await bots.until_closed())[:2] == (1008, "revoked")
                # A token taken back through one worker ends the sockets of the other.
                assert (await one.ask("POST", "/token/revoke", data=token))[0] == 200
                assert (await admins.until_closed())[:2] == (1008, "revoked")
            for worker in (one, two):
                for headers in (bot, workers.admin):
                    await until(partial(refused, worker, headers))


async def refused(worker: Worker, headers: dict[str, str]) -> bool:
    return bool((await worker.ask("GET", "/api/me", headers=headers))[0] == 401)


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
            victim = random.choice(workers.alive())
            await until(lambda before=before: len(answered) >= before + 3)
            os.kill(victim, signal.SIGKILL)
            await workers.replaced({victim}, 2)
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
