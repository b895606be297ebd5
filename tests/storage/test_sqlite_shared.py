"""One SQLite file and several processes: one serves it, any may write into it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.auth import authenticator
from alphapulse_api.config import EventsConfig
from alphapulse_api.domain.errors import StartupError
from alphapulse_api.record.feed import Feed
from alphapulse_api.storage.sqlite import files as sqlite_files
from alphapulse_api.storage.sqlite.commit_watch import CommitWatch
from alphapulse_api.storage.sqlite.engine import SQLiteEngine
from alphapulse_api.storage.tables.directory import AccountDataAccessor, Version
from tests import view
from tests.conftest import Serve, Server
from tests.socket_client import alert, connect, point, portfolio, trade
from tests.waiting import SECONDS

SHOWN_SECONDS = 0.3  # in which a server shows what another process wrote


@pytest.fixture(params=["memory", "redis"])
def config(config: Config, request: pytest.FixtureRequest) -> Config:
    """With either event log: whatever the log, one process serves a file."""
    if request.param == "memory":
        return config
    url = request.getfixturevalue("redis_url")
    return replace(config, events=EventsConfig(type="redis", redis_url=url))


class Looks:
    """The looks of a server at its file: none but those that a test permits.

    Attributes:
        done: how many there were.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done = 0
        self._permitted = 0
        look = CommitWatch.look_if_due

        def permitted(watch: CommitWatch) -> None:
            if self._permitted and not watch.seconds_left:
                self._permitted -= 1
                look(watch)
                self.done += 1

        monkeypatch.setattr(CommitWatch, "look_if_due", permitted)

    def permit(self, looks: int = 1) -> None:
        self._permitted = looks


async def test_a_second_server_ends_with_a_line_that_names_the_first(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_files, "WAIT_SECONDS", 0.2)
    async with Dashboard(config):
        with pytest.raises(StartupError, match=f"is served by process {os.getpid()} on .* since"):
            async with Dashboard(config):
                pytest.fail("it serves")
    async with Dashboard(config):
        pass


async def test_a_second_server_waits_for_the_end_of_the_first(config: Config) -> None:
    first = Dashboard(config)
    async with first:
        starting = asyncio.create_task(Dashboard(config).__aenter__())
        await asyncio.sleep(0.05)
        assert not starting.done()
    second = await starting
    await second.__aexit__(None, None, None)


async def test_a_server_that_drains_lets_the_next_one_serve(config: Config) -> None:
    async with Dashboard(config) as first:
        drained, connections = asyncio.Event(), view.backend(first).connections
        drain = connections.drain

        async def slowly(seconds: float) -> None:
            await drained.wait()
            await drain(seconds)

        connections.drain = slowly  # type: ignore[method-assign]
        starting = asyncio.create_task(Dashboard(config).__aenter__())
        ending = asyncio.create_task(first.__aexit__(None, None, None))
        second = await asyncio.wait_for(starting, 30)
        await second.feed.record_trade(trade(id="t"))
        assert not ending.done()
        drained.set()
        await ending
        await second.__aexit__(None, None, None)


async def test_what_a_draining_server_still_stores_the_next_one_publishes_once(
    config: Config,
) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(Dashboard(config))
        await first.feed.record_trade(trade(id="before"))
        await view.backend(first).hand_over()
        second = await stack.enter_async_context(Dashboard(config))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        server = Server(second, session)
        client = await stack.enter_async_context(connect(server, await server.login("viewer")))
        await client.ask(type="subscribe", channels=["trades", "metrics"])
        # As a request does that was in flight when the drain began.
        await view.backend(first).feed.record_trade(trade(id="late"))
        await view.backend(first).feed.record_metrics(point(value=7))
        messages = [await client.receive() for _ in range(2)]
        published = {m["channel"]: m["data"].get("id", m["data"].get("value")) for m in messages}
        assert published == {"trades": "late", "metrics": 7}
        assert await client.settled() == []


async def test_a_server_that_cannot_start_lets_the_next_one_serve(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_files, "WAIT_SECONDS", 0.2)
    with monkeypatch.context() as broken:
        broken.setattr(SQLiteEngine, "open", _fails)
        with pytest.raises(StartupError, match="on purpose"):
            await Dashboard(config).__aenter__()
    async with Dashboard(config):
        pass


async def _fails(_: SQLiteEngine) -> None:
    raise StartupError("on purpose")


WRITES: dict[str, tuple[str, Callable[[Feed], Awaitable[Any]], str]] = {
    "trades": ("trade", lambda feed: feed.record_trade(trade()), "/api/trades"),
    "alerts": ("alert", lambda feed: feed.raise_alert(alert()), "/api/alerts"),
    "metrics": ("metric", lambda feed: feed.record_metrics(point()), "/api/metrics"),
    "portfolio": (
        "portfolio",
        lambda feed: feed.update_portfolio(portfolio()),
        "/api/portfolio?include_history=true",
    ),
}


@pytest.mark.parametrize("channel", list(WRITES))
async def test_the_next_look_publishes_and_shows_what_another_process_wrote(
    serve: Serve, config: Config, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server looks every 250 ms; so this takes 300 ms, where the loop has time for a relay."""
    kind, write, path = WRITES[channel]
    looks = Looks(monkeypatch)
    server = await serve()
    headers = await server.login("viewer")
    # Its own engine and log, as those of another process are.
    async with Dashboard(config, serve=False) as feeder, connect(server, headers) as client:
        await client.ask(type="subscribe", channels=[channel])
        for _ in range(2):
            before = await _get(server, path, headers)
            await write(feeder.feed)
            looks.permit()
            assert (await client.receive())["type"] == kind
            assert await _get(server, path, headers) != before


@pytest.mark.stalls
async def test_what_another_process_writes_is_published_within_300_ms(
    serve: Serve, config: Config
) -> None:
    server = await serve()
    headers = await server.login("viewer")
    loop, took = asyncio.get_running_loop(), []
    async with Dashboard(config, serve=False) as feeder, connect(server, headers) as client:
        await client.ask(type="subscribe", channels=["trades"])
        for _ in range(20):
            await feeder.feed.record_trade(trade())
            began = loop.time()
            await client.receive("trade")
            took.append(loop.time() - began)
    assert max(took) < SHOWN_SECONDS


async def test_accounts_are_read_again_only_after_another_process_has_written(
    serve: Serve, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = Looks(monkeypatch)
    monkeypatch.setattr(authenticator, "POLL_SECONDS", 0.0)
    read = asyncio.Event()
    version = AccountDataAccessor.version

    async def noted(accounts: AccountDataAccessor) -> Version:
        read.set()
        return await version(accounts)

    server = await serve()
    headers = await server.login("viewer")
    with monkeypatch.context() as watched:
        watched.setattr(AccountDataAccessor, "version", noted)
        looks.permit(2)
        async with asyncio.timeout(SECONDS):
            while looks.done < 2:
                await server.json("/healthz", {})
    assert not read.is_set()
    async with Dashboard(config, serve=False) as other:
        await other.accounts.set_user("viewer", "viewer", "another password")
    looks.permit()
    async with asyncio.timeout(SECONDS):
        while (await _status(server, "/api/me", headers)) != 401:
            await asyncio.sleep(0)


async def _status(server: Any, path: str, headers: dict[str, str]) -> int:
    async with server.request("GET", path, headers=headers) as response:
        return int(response.status)


async def _get(server: Any, path: str, headers: dict[str, str]) -> str:
    async with server.request("GET", path, headers=headers) as response:
        return str(await response.text())


async def test_a_batch_of_points_of_another_process_is_published_in_its_order(
    serve: Serve, config: Config
) -> None:
    server = await serve()
    async with (
        Dashboard(config, serve=False) as feeder,
        connect(server, await server.login("viewer")) as client,
    ):
        await client.ask(type="subscribe", channels=["metrics"])
        await feeder.feed.record_metrics([point(value=n, timestamp=n) for n in range(1200)])
        messages = await client.receive_many(1200, "metric")
        assert [m["data"]["value"] for m in messages] == list(range(1200))


async def test_what_no_program_of_ours_writes_is_shown(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = Looks(monkeypatch)
    server = await serve()
    headers = await server.login("viewer")
    await server.feed.record_trade(trade(id="t"))
    assert len(await server.json("/api/trades", headers)) == 1
    with closing(sqlite3.connect(tmp_path / "test.db")) as connection:
        connection.execute("DELETE FROM trades")
        connection.commit()
    looks.permit()
    async with asyncio.timeout(SECONDS):
        while await server.json("/api/trades", headers):
            await asyncio.sleep(0)


async def test_what_was_written_while_nobody_served_is_published_by_no_one_twice(
    config: Config, serve: Serve
) -> None:
    async with Dashboard(config, serve=False) as feeder:
        await feeder.feed.record_trade(trade(id="before"))
    server = await serve()
    await server.backend.relay.relay_left()
    async with connect(server, await server.login("viewer")) as client:
        await client.ask(type="subscribe", channels=["trades"])
        await server.feed.record_trade(trade(id="after"))
        assert (await client.receive("trade"))["data"]["id"] == "after"
        assert await client.settled() == []


# -- network file systems -------------------------------------------------------------------------
