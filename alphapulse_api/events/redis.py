"""The event log that several processes share, in one Redis (scripts.py has its form).

An append waits until Redis has its events, unless Redis is away: then they wait in an outbox, and
the writer does not, for its records are stored already. Whatever may be missing for anybody at the
end of it is told to all as a break, in every process.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from alphapulse_api.encoding import dumps
from alphapulse_api.events import scripts
from alphapulse_api.events.base import CHANNELS, Changed, Progress
from alphapulse_api.events.local import LocalLog
from alphapulse_api.events.outbox import Load, Outbox, Parcel
from alphapulse_api.events.place import Place
from alphapulse_api.events.reader import Reader, Visit
from alphapulse_api.events.ring import Ring
from alphapulse_api.redis_link import RedisAway, RedisLink
from alphapulse_api.tasks import Tasks

logger = logging.getLogger(__name__)

# A reader may be behind by so much before it has to begin anew.
BEHIND_EVENTS: Final = 20_000
BEHIND_SECONDS: Final = 60.0
OUTBOX_BYTES: Final = 32 << 20
REACH_SECONDS: Final = 2.0
LOOK_SECONDS: Final = 1.0  # how often a writer with nothing to send sees whether Redis has it all
CLOSE_SECONDS: Final = 2.0  # for what still waits to be sent

READING: Final = "the reading of the event log"
SENDING: Final = "the sending to the event log"


class RedisEventLog(LocalLog):
    """The log of all processes on one Redis.

    Args:
        link: to it.
        size: events kept a channel.
        ttl: seconds an event is kept.
        read: whether this process is handed events; one without sockets need not be.
        outbox_bytes: how much may wait for Redis.
    """

    def __init__(
        self,
        link: RedisLink,
        size: int = 10_000,
        ttl: float = 3600,
        *,
        read: bool = True,
        outbox_bytes: int = OUTBOX_BYTES,
    ) -> None:
        self._link = link
        self._writer = secrets.token_hex(8)
        self._keys = (
            scripts.LOG,
            scripts.WRITER + self._writer,
            scripts.CHANGES,
            *scripts.STREAMS.values(),
            *scripts.TOLD,
        )
        self._kept = (size + BEHIND_EVENTS, round(1000 * (ttl + BEHIND_SECONDS)))
        self._appending = link.redis.register_script(scripts.APPEND)
        self._visiting = link.redis.register_script(scripts.VISIT)
        # Until the log has been seen, every place is none of it.
        nowhere = Place(secrets.token_hex(8), 0, 0)
        super().__init__({name: Ring(size, ttl, nowhere.cursor) for name in CHANNELS}, ttl)
        self._taken = dict.fromkeys(CHANNELS, nowhere.cursor)  # up to where Redis had our events
        self._reader = Reader(link, self._rings, self._followers, self._visit, self._writer)
        self._read = read
        self._outbox = Outbox(outbox_bytes)
        self._work = asyncio.Event()
        self._tasks = Tasks()
        self._closed = False
        link.on_return(self._work.set)

    def __repr__(self) -> str:
        return f"<RedisEventLog {self._link!r} waiting={self.waiting}>"

    @property
    def failing(self) -> Sequence[str]:
        return self._tasks.failing

    @property
    def waiting(self) -> int:
        return self._outbox.waiting

    @property
    def breaks(self) -> int:
        return self._reader.breaks

    @property
    def unreadable(self) -> int:
        return self._reader.unreadable

    async def open(self) -> None:
        self._closed = False
        if self._read:
            if self._link.trouble is None:
                # One that is away now is entered when it comes.
                with suppress(RedisError, OSError):
                    await self._reader.enter()
            self._tasks.start(self._reader.read_forever, READING)
        self._tasks.start(self._send_forever, SENDING)

    async def flush(self) -> None:
        if self._link.trouble is not None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._outbox.drained.wait()
                if self._read:
                    for channel, cursor in self._taken.items():
                        await self.reach(channel, cursor)

    async def close(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._outbox.drained.wait()
        self._closed = True  # nobody waits for what is put from here on
        await self._tasks.cancel()
        self._outbox.let_go()
        await self._reader.close()
        if self.waiting:
            logger.error("%d events may not have reached redis, nor any socket", self.waiting)

    async def append(
        self,
        channel: str,
        records: Sequence[Mapping[str, Any]],
        changed: Sequence[str] = (),
        progress: Sequence[Progress] = (),
    ) -> None:
        # All or none: one that cannot be encoded leaves no trace.
        bodies = [dumps(record) for record in records]
        parcels = list(map(_known, progress, bodies) if progress else map(_news, bodies))
        await self._put(channel if parcels else None, parcels, changed)

    async def announce(self, changed: Sequence[str]) -> None:
        await self._put(None, (), changed)

    def on_change(self, callback: Changed) -> None:
        self._reader.on_change(callback)

    async def reach(self, channel: str, cursor: str) -> None:
        place = Place.parse(cursor)
        if place is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(REACH_SECONDS):
                while (here := Place.parse(self.cursor(channel))) and place.follows(here):
                    await self._reader.moved(channel)

    # -- writing ----------------------------------------------------------------------------------

    async def _put(
        self, channel: str | None, parcels: Sequence[Parcel], changed: Sequence[str]
    ) -> None:
        if channel is None and not changed:
            return
        away = self._closed or self._link.trouble is not None or SENDING in self._tasks.failing
        taken = self._outbox.put(channel, parcels, changed, away=away)
        if taken is not None:
            self._work.set()
            # It goes its way also when the caller is cancelled: its record is stored.
            await asyncio.shield(taken)

    async def _send_forever(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._work.wait()
            self._work.clear()
            try:
                if self._outbox.drained.is_set():
                    # Nobody else may know of what Redis had from us, and has no more.
                    await self._link.call(lambda redis: self._visit(redis, self._taken))
                while (load := self._outbox.take()) is not None:
                    await self._send(load)
                    self._outbox.sent()
            except RedisAway:
                self._outbox.let_go()
                if self._link.trouble is None:
                    self._work.set()  # only this call has failed
            except Exception:
                # Nobody waits for the next run; it sends what this one has taken.
                self._outbox.let_go()
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
        channels = list(CHANNELS)
        for stretch in load.stretches:
            args += (channels.index(stretch.channel) + 1, int(stretch.broken), len(stretch.parcels))
            for parcel in stretch.parcels:
                args += (_mark(parcel), parcel.body)
        epoch, *ids = await self._link.script(self._appending, self._keys, args)
        self._taken = {
            name: f"{epoch.decode()}-{at.decode()}" for name, at in zip(CHANNELS, ids, strict=True)
        }

    async def _visit(self, redis: Redis, cursors: Mapping[str, str]) -> Visit:
        args = [secrets.token_hex(4), *cursors.values()]
        epoch, ms, *rest = await self._visiting(keys=self._keys, args=args, client=redis)
        places, origins = {}, {}
        for name, at, origin in zip(CHANNELS, rest[::2], rest[1::2], strict=True):
            place_ms, _, offset = at.decode().partition("-")
            places[name] = Place(epoch.decode(), int(place_ms), int(offset))
            if origin:
                origins[name] = origin.decode()
        return Visit(int(ms), places, origins)


def _news(body: bytes) -> Parcel:
    return Parcel(b"", body)


def _known(progress: Progress, body: bytes) -> Parcel:
    identity, (first, second), age = progress
    stage = f"{max(0, first)}-{second}"  # all instants before 1970 are one
    stored = None if age is None else time.monotonic() - age
    return Parcel(f"{stage} {identity}".encode(), body, stored)


def _mark(parcel: Parcel) -> bytes:
    """As the script reads it: the age in ms or nothing, the stage, the identity."""
    if not parcel.mark:
        return b""
    # Of now: it may have waited for long.
    age = "" if parcel.stored is None else round(1000 * (time.monotonic() - parcel.stored))
    return f"{age} ".encode() + parcel.mark
