"""Several workers, one sender: another takes over when it dies, and nothing is lost."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api.config import Config
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from tests.asking import ALERT
from tests.commands import ROOT, environment
from tests.conftest import Serve
from tests.engines import connected, empty_store, opened
from tests.notify.sinks import KEY, HttpSink
from tests.postgres import Postgres
from tests.records import alert
from tests.waiting import until

SENDER = """
import asyncio, json, sys
from alphapulse_api.config import NotifyConfig, ReceiverConfig, WebhookConfig
from alphapulse_api.notify.channels import channels_of
from alphapulse_api.notify.notifier import Notifier
from alphapulse_api.storage.engines import engine_from
from alphapulse_api.config import DatabaseConfig

async def main(database, hook, key):
    receivers = {"a": ReceiverConfig(webhook=WebhookConfig(hook, key))}
    notify = NotifyConfig(receivers=receivers, group_wait=0, group_interval=0, repeat_interval=0)
    engine = engine_from(DatabaseConfig(url=database))
    await engine.open()
    alone = database.startswith("sqlite")
    notifier = Notifier(engine, notify, channels_of(notify), alone=alone)
    async with notifier:
        print("open", flush=True)
        await notifier.run_forever()

asyncio.run(main(*sys.argv[1:]))
"""
Start = Callable[[], Awaitable[asyncio.subprocess.Process]]


async def test_two_workers_send_each_message_once(
    serve: Serve, sink: HttpSink, shared_store: dict[str, Any]
) -> None:
    notify = replace(
        Config().notify, receivers={"a": sink.receiver}, group_wait=0.0, group_interval=0.0
    )
    workers = [await serve(**shared_store, notify=notify) for _ in range(2)]
    for n in range(6):
        await workers[n % 2].feed.raise_alert({**ALERT, "title": f"t{n}"})
    caller = await workers[0].login()

    async def delivered() -> bool:
        rows = await workers[1].json("/api/notifications", caller, state="delivered")
        return len(rows) == 6

    await until(delivered)
    counts = Counter(title for message in sink.received for title in message.alerts)
    assert counts == Counter({f"t{n}": 1 for n in range(6)})


@asynccontextmanager
async def started(tmp_path: Path, database: str, sink: HttpSink) -> AsyncIterator[Start]:
    """Starts senders in processes of their own, and ends them."""
    running: list[asyncio.subprocess.Process] = []

    async def start() -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SENDER, database, f"{sink.url}/hook", KEY,
            stdout=asyncio.subprocess.PIPE, cwd=ROOT, env=environment(tmp_path),
        )  # fmt: skip
        running.append(process)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"open\n"
        return process

    try:
        yield start
    finally:
        for process in running:
            if process.returncode is None:
                process.kill()
            await process.wait()


@asynccontextmanager
async def store_of(database: str) -> AsyncIterator[Engine]:
    if database.startswith("sqlite"):
        async with opened(Path(database.removeprefix("sqlite:///"))) as engine:
            yield engine
    else:
        async with connected(database) as engine:
            yield engine


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store that several processes open."""
    if request.param == "sqlite":
        return f"sqlite:///{empty_store(tmp_path / 'store.db')}"
    postgres: Postgres = request.getfixturevalue("postgres")
    return await postgres.copied()


@pytest.mark.kills
async def test_killed_senders_lose_nothing_and_repeat_no_confirmed_message(
    tmp_path: Path, database: str, sink: HttpSink
) -> None:
    async with store_of(database) as engine, started(tmp_path, database, sink) as start:
        store = Accessors(engine, 300.0, {})
        process = await start()
        raised = 0
        for round_ in range(6):
            for _ in range(5):
                await store.alerts.add_alert(alert(f"a{raised}", raised, title=f"a{raised}"))
                raised += 1
            sink.begun.clear()
            if round_ % 2:
                sink.hanging = True  # it is killed before the answer
            await asyncio.wait_for(sink.begun.wait(), 30)
            process.kill()
            await process.wait()
            sink.release()
            process = await start()

        async def all_delivered() -> bool:
            rows = await store.notifications.get_notifications(limit=1000)
            return sum(row["state"] == "delivered" for row in rows) == raised

        await until(all_delivered)
        ids: dict[str, set[str]] = {}
        for message in sink.received:
            for title in message.alerts:
                ids.setdefault(title, set()).add(message.id)
        # Each alert was in one message, which may have been sent again with the same id.
        assert set(ids) == {f"a{n}" for n in range(raised)}
        assert all(len(messages) == 1 for messages in ids.values())
        log = await store.notifications.get_notifications(limit=1000)
        assert Counter(row["alert_id"] for row in log) == Counter(ids.keys())


@pytest.mark.kills
async def test_another_worker_takes_over(
    tmp_path: Path, postgres: Postgres, sink: HttpSink
) -> None:
    database = await postgres.copied()
    async with store_of(database) as engine, started(tmp_path, database, sink) as start:
        first = await start()
        store = Accessors(engine, 300.0, {})
        await store.alerts.add_alert(alert("a1", title="a1"))
        await until(lambda: sink.received)
        await start()
        first.kill()
        await first.wait()
        await store.alerts.add_alert(alert("a2", title="a2"))
        async with asyncio.timeout(10):
            while not any("a2" in message.alerts for message in sink.received):
                sink.begun.clear()
                await sink.begun.wait()
