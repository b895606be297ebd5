"""The end of a dashboard: every call before it completes, every call after it fails at once."""

from __future__ import annotations

import asyncio
import signal
import socket
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any

import aiohttp
import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import EventsConfig
from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.errors import DashboardClosed
from alphapulse_api.storage.sqlite.engine import SQLiteEngine
from tests import view
from tests.conftest import Server
from tests.event_logs import LogFollower, redis_log
from tests.socket_client import alert, connect, point, portfolio, trade
from tests.waiting import SECONDS, until

CALLS: dict[str, Callable[[Any], Any]] = {
    "record_metrics": lambda feed: feed.record_metrics(point()),
    "record_metrics without waiting": lambda feed: feed.record_metrics(point(), wait=False),
    "record_trade": lambda feed: feed.record_trade(trade()),
    "record_trades": lambda feed: feed.record_trades([trade()]),
    "raise_alert": lambda feed: feed.raise_alert(alert()),
    "acknowledge_alert": lambda feed: feed.acknowledge_alert("a", "ann"),
    "resolve_alert": lambda feed: feed.resolve_alert("a"),
    "update_portfolio": lambda feed: feed.update_portfolio(portfolio()),
    "record_signal": lambda feed: feed.record_signal("m", {"symbol": "BTC", "direction": "buy"}),
    "record_decision": lambda feed: feed.record_decision({"agent_id": "m"}),
    "update_agent": lambda feed: feed.update_agent("m", {"state": "active"}),
    "report_system": lambda feed: feed.report_system({"component": "c", "status": "healthy"}),
}


@pytest.fixture(params=["memory", "redis"])
def shared(request: pytest.FixtureRequest, config: Config) -> Config:
    """A configuration of either event log."""
    if request.param == "memory":
        return config
    url = request.getfixturevalue("redis_url")
    return replace(config, events=EventsConfig(type="redis", redis_url=url))


@pytest.mark.parametrize("serve", [True, False])
@pytest.mark.parametrize("name", list(CALLS))
async def test_a_call_after_the_end_fails_at_once(config: Config, name: str, serve: bool) -> None:
    async with Dashboard(config, serve=serve) as dashboard:
        feed = dashboard.feed
    with pytest.raises(DashboardClosed, match="the dashboard is closed"):
        async with asyncio.timeout(SECONDS):
            await CALLS[name](feed)
    with pytest.raises(DashboardClosed, match="the dashboard is closed"):
        feed.hand_over(point())


@pytest.mark.parametrize("name", list(CALLS))
def test_a_call_from_a_thread_after_the_end_fails_at_once(config: Config, name: str) -> None:
    with Dashboard.in_thread(config, serve=False) as feed:
        pass
    with pytest.raises(DashboardClosed, match="the dashboard is closed"):
        CALLS[name](feed)


async def test_every_call_before_the_end_completes_and_is_published(
    config: Config, redis_url: str
) -> None:
    shared = replace(config, events=EventsConfig(type="redis", redis_url=redis_url))
    async with redis_log(redis_url) as log:
        follower = LogFollower(log)
        async with Dashboard(shared, serve=False) as dashboard:
            calls = [
                asyncio.create_task(dashboard.feed.record_trade(trade(id=f"t{n}")))
                for n in range(200)
            ]
            points = [point("handed", n) for n in range(50)]
            await asyncio.sleep(0)  # the calls begin
            assert dashboard.feed.hand_over(points) == 50
        stored = await asyncio.wait_for(asyncio.gather(*calls), SECONDS)
        assert [row["id"] for row in stored] == [f"t{n}" for n in range(200)]
        await follower.until(lambda: len(follower.items) == 250)
        assert sorted(follower.received()) == sorted(f"t{n}" for n in range(200))


async def test_a_call_that_meets_the_end_completes_or_is_refused(shared: Config) -> None:
    """No call hangs, and what is refused is not stored."""
    answered, refused = [], []

    async def write(feed: Any, who: int) -> None:
        for n in range(10_000):
            try:
                answered.append((await feed.record_trade(trade(id=f"{who}-{n}")))["id"])
            except DashboardClosed:
                refused.append(f"{who}-{n}")
                return

    async with Dashboard(shared, serve=False) as dashboard:
        writers = [asyncio.create_task(write(dashboard.feed, who)) for who in range(20)]
        await until(lambda: len(answered) >= 100)
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*writers)
    assert len(refused) == 20
    async with Dashboard(shared, serve=False) as dashboard:
        stored = await dashboard.trades.get_trades(limit=10_000)
    assert {row["id"] for row in stored} == set(answered)


async def test_sockets_are_sent_all_that_was_recorded_before_the_end(shared: Config) -> None:
    async with Dashboard(shared) as dashboard:
        async with aiohttp.ClientSession() as session:
            server = Server(dashboard, session)
            async with connect(server, await server.login("viewer")) as client:
                await client.ask(type="subscribe", channels=list(CHANNELS))
                calls = [
                    asyncio.create_task(dashboard.feed.record_trade(trade(id=f"t{n}")))
                    for n in range(100)
                ]
                await asyncio.sleep(0)
                ending = asyncio.create_task(dashboard.__aexit__(None, None, None))
                messages = await client.receive_many(100, "trade")
                code, reason, _ = await client.until_closed()
                assert (code, reason) == (1001, "shutdown")
                assert {m["data"]["id"] for m in messages} == {f"t{n}" for n in range(100)}
                await ending
        await asyncio.gather(*calls)


async def test_a_dashboard_may_be_entered_again(config: Config) -> None:
    dashboard = Dashboard(config, serve=False)
    for n in range(2):
        async with dashboard:
            await dashboard.feed.record_trade(trade(id=str(n)))


def test_an_interrupted_start_leaves_no_thread_and_no_port(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    prepare = getattr(SQLiteEngine, view.SQLITE_PREPARE)

    received = threading.Event()

    def interrupted(self: SQLiteEngine) -> sqlite3.Connection:
        # Ctrl-C comes while the start goes on: to the thread that waits for it, as from a terminal.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        received.wait()
        return prepare(self)

    def noticed(number: int, frame: FrameType | None) -> None:
        received.set()
        raise KeyboardInterrupt

    monkeypatch.setattr(SQLiteEngine, view.SQLITE_PREPARE, interrupted)
    before = set(threading.enumerate())
    handler = signal.signal(signal.SIGINT, noticed)
    try:
        with pytest.raises(KeyboardInterrupt), Dashboard.in_thread(replace(config, port=port)):
            pass
    finally:
        signal.signal(signal.SIGINT, handler)
    left = {t for t in threading.enumerate() if t.name.startswith("alphapulse")} - before
    assert left == set()
    with socket.socket() as again:
        again.bind(("127.0.0.1", port))
