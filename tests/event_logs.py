"""Event logs opened by themselves, and a follower that records what they hand out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.outbox import OutboxRow
from alphapulse_api.log import Event, EventLog, Gap
from alphapulse_api.log.redis.log import RedisEventLog
from alphapulse_api.runtime.redis import RedisLink
from tests.proxy import Proxy
from tests.waiting import SECONDS


class Log(RedisEventLog):
    """A log on a link of its own, which the test may look at."""

    def __init__(self, link: RedisLink, **options: Any) -> None:
        super().__init__(link, **options)
        self.link = link


@asynccontextmanager
async def redis_log(url: str, **options: Any) -> AsyncIterator[Log]:
    """The log of one process on the Redis at the URL."""
    link = RedisLink(url, "events.redis_url")
    log = Log(link, **options)
    await link.open()
    watching = asyncio.create_task(link.watch_forever())
    try:
        await log.open()
        try:
            yield log
        finally:
            await log.close()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await link.close()


class LogFollower:
    """Records what a log hands out from now on."""

    def __init__(self, log: EventLog) -> None:
        self.items: list[Event | Gap] = []
        self._came = asyncio.Event()
        log.follow(self._follow, self._on_gap)

    def received(self, channel: str = "trades") -> list[str]:
        """Ids of the channel's events, and "gap" for each gap, in order."""
        return [
            "gap" if isinstance(item, Gap) else item.data["id"]
            for item in self.items
            if item.channel.name == channel
        ]

    def cursors(self, channel: str = "trades") -> list[str]:
        return [item.cursor for item in self.items if item.channel.name == channel]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until the condition holds."""
        async with asyncio.timeout(SECONDS):
            while not condition():
                self._came.clear()
                await self._came.wait()

    async def expect(self, *expected: str, channel: str = "trades") -> None:
        """Wait for these ids; fails if others were received."""
        await self.until(lambda: len(self.received(channel)) >= len(expected))
        assert self.received(channel) == list(expected)

    def _follow(self, events: Sequence[Event]) -> None:
        self.items += events
        self._came.set()

    def _on_gap(self, gap: Gap) -> None:
        self.items.append(gap)
        self._came.set()


def row(id_: str, *ids: object, channel: str = "trades") -> OutboxRow:
    """An outbox row of trades with these ids."""
    bodies = [dumps(record) for record in trades(*ids)]
    return OutboxRow(id_, channel, None, len(bodies), (channel,), bodies, stored=True)


def trades(*ids: object) -> list[dict[str, Any]]:
    return [{"id": str(n)} for n in ids]


def ids(events: Sequence[Event] | None) -> list[str] | None:
    return None if events is None else [event.data["id"] for event in events]


@asynccontextmanager
async def two(url: str, **options: Any) -> AsyncIterator[tuple[Log, Log, LogFollower, LogFollower]]:
    """Two processes of one log, and what each is handed."""
    async with redis_log(url, **options) as one, redis_log(url, **options) as other:
        yield one, other, LogFollower(one), LogFollower(other)


def behind(proxy: Proxy) -> str:
    """The Redis that the proxy stands before."""
    return proxy.url.replace("http:", "redis:") + "/0"
