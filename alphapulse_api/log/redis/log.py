"""The event log that several processes share, in one Redis (scripts.py describes its layout).

An append returns when Redis has its events. While Redis is away, events wait in a send queue and
the caller does not, because its records are stored already. Outbox rows do not wait in the queue:
they stay in the database. Events that may be missing in the end become a gap in every process.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from alphapulse_api.domain.channels import LOGGED
from alphapulse_api.domain.outbox import OutboxRow
from alphapulse_api.log.base import Changed, LogAway
from alphapulse_api.log.local import LocalLog
from alphapulse_api.log.position import StreamPosition, Visit
from alphapulse_api.log.redis import scripts
from alphapulse_api.log.redis.parcels import Parcel, parcels_of, parts_of
from alphapulse_api.log.redis.reader import Reader
from alphapulse_api.log.redis.send_queue import Load, SendQueue
from alphapulse_api.log.ring import Ring
from alphapulse_api.log.shares import DEFAULT_BYTES, half_of
from alphapulse_api.runtime.redis import PREFIX, RedisAway, RedisLink
from alphapulse_api.runtime.supervisor import Supervisor

logger = logging.getLogger(__name__)

# How far a reader may be behind before entries that it has not read are trimmed.
BEHIND_EVENTS: Final = 20_000
BEHIND_SECONDS: Final = 60.0
QUEUE_BYTES: Final = 32 << 20
REACH_SECONDS: Final = 2.0
CHECK_SECONDS: Final = 1.0  # how often an idle writer checks that Redis still has its events
CLOSE_SECONDS: Final = 2.0  # to send what still waits

# Names the history of the database that the log belongs to.
_HISTORY: Final = f"{PREFIX}history"
READING: Final = "reading the event log"
SENDING: Final = "sending to the event log"


class RedisEventLog(LocalLog):
    """The log of all processes on one Redis.

    Args:
        link: to the Redis.
        size: events kept per channel.
        ttl: seconds an event is kept.
        max_bytes: bytes of the events kept in all channels, here and in Redis.
        read: whether this process reads events; one without sockets does not need to.
        queue_bytes: how many bytes may wait while Redis is away.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        link: RedisLink,
        size: int = 10_000,
        ttl: float = 3600,
        max_bytes: int = DEFAULT_BYTES,
        *,
        read: bool = True,
        queue_bytes: int = QUEUE_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = link
        self._writer = secrets.token_hex(8)
        self._keys = (
            scripts.LOG,
            scripts.WRITER + self._writer,
            *scripts.RELAYED,
            *scripts.ALL.values(),
        )
        self._kept: Sequence[int | str] = (
            size + BEHIND_EVENTS,
            round(1000 * (ttl + BEHIND_SECONDS)),
            max_bytes // 2,
            "".join(str(half_of(channel)) for channel in LOGGED.values()) + "-",
        )
        self._appending = link.redis.register_script(scripts.APPEND)
        self._visiting = link.redis.register_script(scripts.VISIT)
        # A position that no log has, until the first visit.
        unknown = StreamPosition(secrets.token_hex(8), 0, 0)
        rings = {name: Ring(size, ttl, unknown.cursor, clock) for name in LOGGED}
        super().__init__(rings, size, ttl, max_bytes)
        self.shared: Mapping[str, int] = dict.fromkeys(LOGGED, 0)
        self._taken = dict.fromkeys(
            scripts.ALL, unknown.cursor
        )  # the newest cursors that Redis had
        self._reader = Reader(
            link, rings, self._shares, self._followers, self._visit, self._writer, clock
        )
        self._read = read
        self._queue = SendQueue(queue_bytes)
        self._work = asyncio.Event()
        self._tasks = Supervisor()
        self._closed = False
        link.on_return(self._work.set)

    def __repr__(self) -> str:
        return f"<RedisEventLog {self._link!r} waiting={self.waiting}>"

    @property
    def failing(self) -> Sequence[str]:
        return self._tasks.failing

    @property
    def waiting(self) -> int:
        return self._queue.waiting

    @property
    def behind(self) -> bool:
        return self._away or self._reader.failing or self.waiting > 0

    @property
    def gaps(self) -> int:
        return self._reader.gaps

    @property
    def unreadable(self) -> int:
        return self._reader.unreadable

    async def open(self) -> None:
        self._closed = False
        if self._read:
            if self._link.trouble is None:
                # If Redis is away, `read_forever` enters later.
                with suppress(RedisError, OSError):
                    await self._reader.enter()
            self._tasks.start(self._reader.read_forever, READING)
        self._tasks.start(self._send_forever, SENDING)

    async def flush(self) -> None:
        if self._link.trouble is not None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._queue.drained.wait()
                if self._read:
                    for channel in LOGGED:
                        await self.reach(channel, self._taken[channel])

    async def close(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._queue.drained.wait()
        self._closed = True  # calls from here on do not wait
        await self._tasks.cancel()
        self._queue.release()
        await self._reader.close()
        if self.waiting:
            logger.error(
                "closed with %d events that may not have reached redis or any socket", self.waiting
            )

    async def append(
        self, channel: str, records: Sequence[Mapping[str, Any]], tags: Sequence[str] = ()
    ) -> None:
        if records:
            await self._put(channel, parcels_of(records, tags))
        else:
            await self._put(None, (), tags)

    async def relay(self, rows: Sequence[OutboxRow]) -> None:
        if self._away:
            for row in rows:
                for points in row.points:
                    await self._put("metrics", parcels_of(points, row.tags))
            raise LogAway
        taken = [self._queue.put(*part, away=False) for row in rows for part in parts_of(row)]
        self._work.set()
        # They are sent even if the caller is cancelled.
        sent = await asyncio.gather(*(asyncio.shield(one) for one in taken if one is not None))
        if not all(sent):
            raise LogAway

    async def announce(self, tags: Sequence[str]) -> None:
        await self._put(None, (), tags)

    async def gap(self, channel: str) -> None:
        if self._away:
            raise LogAway
        taken = self._queue.put_gap(channel)
        self._work.set()
        if not await asyncio.shield(taken):
            raise LogAway

    async def adopt(self, history: str) -> bool:
        try:
            known = await self._link.call(lambda redis: redis.get(_HISTORY))
            if known == history.encode():
                return False
            if known is not None:
                # Published before the name is set: two processes may both publish gaps, but no
                # process can miss them.
                for channel in LOGGED:
                    await self.gap(channel)
            await self._link.call(lambda redis: redis.set(_HISTORY, history))
        except RedisAway:
            raise LogAway from None
        return known is not None

    def on_change(self, callback: Changed) -> None:
        self._reader.on_change(callback)

    async def reach(self, channel: str, cursor: str) -> None:
        wanted = StreamPosition.parse(cursor)
        if wanted is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(REACH_SECONDS):
                while (here := StreamPosition.parse(self.cursor(channel))) and wanted.follows(here):
                    await self._reader.moved(channel)

    # -- writing ----------------------------------------------------------------------------------

    @property
    def _away(self) -> bool:
        away = self._closed or self._link.trouble is not None
        return away or SENDING in self._tasks.failing

    async def _put(
        self, channel: str | None, parcels: Sequence[Parcel], changed: Sequence[str] = ()
    ) -> None:
        if not parcels and not changed:
            return
        taken = self._queue.put(channel, parcels, changed, away=self._away)
        if taken is not None:
            self._work.set()
            # Sent even if the caller is cancelled, because its record is stored.
            await asyncio.shield(taken)

    async def _send_forever(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._work.wait()
            self._work.clear()
            try:
                if self._queue.drained.is_set():
                    # Only this process may know that Redis lost its newest events.
                    await self._link.call(lambda redis: self._visit(redis, self._taken))
                while (load := self._queue.take()) is not None:
                    await self._send(load)
                    self._queue.sent()
            except RedisAway:
                self._queue.release()
                if self._link.trouble is None:
                    self._work.set()  # only this call failed
            except Exception:
                # The next run sends what this one has taken; callers do not wait for it.
                self._queue.release()
                self._work.set()
                raise

    async def _send(self, load: Load) -> None:
        args: list[str | bytes | int] = [
            secrets.token_hex(4),
            *self._taken.values(),
            load.number,
            self._writer,
            *self._kept,
            "\n".join(load.changed),
        ]
        channels = list(LOGGED)
        for stretch in load.stretches:
            args += (channels.index(stretch.channel) + 1, int(stretch.gap), len(stretch.parcels))
            for parcel in stretch.parcels:
                args += (parcel.mark, parcel.tags, parcel.body)
        epoch, *ids = await self._link.script(self._appending, self._keys, args)
        self._taken = {
            name: f"{epoch.decode()}-{at.decode()}"
            for name, at in zip(scripts.ALL, ids, strict=True)
        }

    async def _visit(self, redis: Redis, cursors: Mapping[str, str]) -> Visit:
        args = [secrets.token_hex(4), *cursors.values()]
        epoch, ms, *rest = await self._visiting(keys=self._keys, args=args, client=redis)
        positions, origins = {}, {}
        for name, at, origin in zip(scripts.ALL, rest[::3], rest[1::3], strict=True):
            newest_ms, _, offset = at.decode().partition("-")
            positions[name] = StreamPosition(epoch.decode(), int(newest_ms), int(offset))
            if origin:
                origins[name] = origin.decode()
        self.shared = dict(zip(LOGGED, rest[2::3], strict=False))
        return Visit(int(ms), positions, origins)
