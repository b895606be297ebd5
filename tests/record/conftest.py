"""Fixtures that several files of this folder use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api.cache.memory import MemoryCache
from alphapulse_api.domain.outbox import OutboxRow
from alphapulse_api.log.base import Event, LogAway
from alphapulse_api.log.memory import MemoryEventLog
from alphapulse_api.record.feed import Feed
from alphapulse_api.record.relay import Relay
from alphapulse_api.storage import outbox
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from tests.engines import connected, empty_store, opened, relay_of
from tests.event_logs import Log, LogFollower, redis_log
from tests.postgres import Postgres
from tests.proxy import Proxy, proxied


class House:
    """A feed and all that it writes to."""

    def __init__(self, accessors: Accessors) -> None:
        self.accessors = accessors
        self.cache = MemoryCache(10**6)
        self.events = MemoryEventLog()
        self.published: list[tuple[str, dict[str, Any]]] = []
        self.events.follow(self._follow, lambda gap: None)
        self.relay = relay_of(accessors, self.cache, self.events)
        self.feed = Feed(accessors, self.relay)

    def _follow(self, events: Sequence[Event]) -> None:
        self.published += [(event.channel.name, dict(event.data)) for event in events]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(empty_store(tmp_path / "store.db")) as engine:
        yield House(Accessors(engine, 300, {}))


class FailingLog(MemoryEventLog):
    """One that is unavailable on demand."""

    away = False

    async def relay(self, rows: Sequence[OutboxRow]) -> None:
        if self.away:
            raise LogAway
        await super().relay(rows)


class Relaying:
    """What one process has; all of a test share the log."""

    def __init__(self, engine: Engine, log: FailingLog, *, alone: bool = False) -> None:
        self.log = log
        self.store = Accessors(engine, 300, {})
        self.relay: Relay = relay_of(self.store, MemoryCache(10**6), log, alone=alone)
        self.feed = Feed(self.store, self.relay)

    async def rows(self) -> list[OutboxRow]:
        ids = list(await outbox.oldest(self.store.engine, 10_000))
        return await outbox.read(self.store.engine, ids)

    def dies_after_its_commits(self) -> None:
        """Nothing that it commits from now on is relayed by it."""
        self.store.engine.on_commit(lambda rows: None)

    def lives(self) -> None:
        self.relay.attach()


@pytest.fixture
async def relaying(engine: Engine) -> Relaying:
    return Relaying(engine, FailingLog())


class Process:
    """What one process has, and what it receives from all of them."""

    def __init__(self, engine: Engine, log: Log) -> None:
        self.engine = engine
        self.log = log
        self.store = Accessors(engine, 300, {})
        self.feed = Feed(self.store, relay_of(self.store, MemoryCache(10**6), log))
        self.follower = LogFollower(log)

    def received(self, channel: str) -> list[dict[str, Any]]:
        return [dict(item.data) for item in self.follower.items if item.channel.name == channel]  # type: ignore[union-attr]

    async def received_until(self, channel: str, **end: Any) -> list[dict[str, Any]]:
        """All events of the channel up to an event with these fields."""

        def ended() -> bool:
            return any(end.items() <= data.items() for data in self.received(channel))

        await self.follower.until(ended)
        return self.received(channel)


@asynccontextmanager
async def process(database_url: str, redis_url: str) -> AsyncIterator[Process]:
    async with connected(database_url) as engine, redis_log(redis_url) as log:
        yield Process(engine, log)


@pytest.fixture
async def database_url(postgres: Postgres) -> str:
    return await postgres.emptied()


@pytest.fixture
async def one(database_url: str, redis_url: str) -> AsyncIterator[Process]:
    async with process(database_url, redis_url) as found:
        yield found


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[Proxy]:
    """The way of a process to Redis, that may be closed for a while."""
    async with proxied(redis_url.replace("redis:", "http:")) as proxy:
        yield proxy


@pytest.fixture
async def slow(database_url: str, proxy: Proxy) -> AsyncIterator[Process]:
    """A process that goes to Redis by the proxy."""
    async with process(database_url, f"{proxy.url.replace('http:', 'redis:')}/0") as found:
        yield found
