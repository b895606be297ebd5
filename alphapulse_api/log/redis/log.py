"""The event log that several processes share, in one Redis (scripts.py has its form).

An append waits until Redis has its events, unless Redis is away: then they wait in a send queue,
and the writer does not, for its records are stored already. Rows of the outbox do not wait there:
they stay in the database. Whatever may be missing for anybody at the end of it is told to all as a
break, in every process.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.log.base import Changed, LogAway
from alphapulse_api.log.local import LocalLog
from alphapulse_api.log.position import StreamPosition
from alphapulse_api.log.redis import scripts
from alphapulse_api.log.redis.reader import Reader, Visit
from alphapulse_api.log.redis.send_queue import LOAD_EVENTS, Load, Parcel, SendQueue
from alphapulse_api.log.ring import Ring
from alphapulse_api.runtime.redis import PREFIX, RedisAway, RedisLink
from alphapulse_api.runtime.supervisor import Supervisor

if TYPE_CHECKING:
    from alphapulse_api.domain.outbox import OutboxRow

logger = logging.getLogger(__name__)

# A reader may be behind by so much before it has to begin anew.
BEHIND_EVENTS: Final = 20_000
BEHIND_SECONDS: Final = 60.0
QUEUE_BYTES: Final = 32 << 20
REACH_SECONDS: Final = 2.0
LOOK_SECONDS: Final = 1.0  # how often a writer with nothing to send sees whether Redis has it all
CLOSE_SECONDS: Final = 2.0  # for what still waits to be sent

# Of which history of the database the log's events are.
_HISTORY: Final = f"{PREFIX}history"
READING: Final = "the reading of the event log"
SENDING: Final = "the sending to the event log"


class RedisEventLog(LocalLog):
    """The log of all processes on one Redis.

    Args:
        link: to it.
        size: events kept a channel.
        ttl: seconds an event is kept.
        read: whether this process is handed events; one without sockets need not be.
        queue_bytes: how much may wait for Redis.
    """

    def __init__(
        self,
        link: RedisLink,
        size: int = 10_000,
        ttl: float = 3600,
        *,
        read: bool = True,
        queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        self._link = link
        self._writer = secrets.token_hex(8)
        self._keys = (
            scripts.LOG,
            scripts.WRITER + self._writer,
            *scripts.RELAYED,
            *scripts.ALL.values(),
        )
        self._kept = (size + BEHIND_EVENTS, round(1000 * (ttl + BEHIND_SECONDS)))
        self._appending = link.redis.register_script(scripts.APPEND)
        self._visiting = link.redis.register_script(scripts.VISIT)
        # Until the log has been seen, every place is none of it.
        nowhere = StreamPosition(secrets.token_hex(8), 0, 0)
        super().__init__({name: Ring(size, ttl, nowhere.cursor) for name in CHANNELS}, size, ttl)
        self._taken = dict.fromkeys(scripts.ALL, nowhere.cursor)  # up to where Redis had our events
        self._reader = Reader(link, self._rings, self._followers, self._visit, self._writer)
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
                await self._queue.drained.wait()
                if self._read:
                    for channel in CHANNELS:
                        await self.reach(channel, self._taken[channel])

    async def close(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._queue.drained.wait()
        self._closed = True  # nobody waits for what is put from here on
        await self._tasks.cancel()
        self._queue.let_go()
        await self._reader.close()
        if self.waiting:
            logger.error("%d events may not have reached redis, nor any socket", self.waiting)

    async def append(
        self, channel: str, records: Sequence[Mapping[str, Any]], tags: Sequence[str] = ()
    ) -> None:
        if records:
            await self._put(channel, _parcels(records, tags))
        else:
            await self._put(None, (), tags)

    async def relay(self, rows: Sequence[OutboxRow]) -> None:
        if self._away:
            for row in rows:
                for points in row.points:
                    await self._put("metrics", _parcels(points, row.tags))
            raise LogAway
        taken = [self._queue.put(*part, away=False) for row in rows for part in _parts(row)]
        self._work.set()
        # They go their way also when the caller is cancelled.
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
                # Before it is noted: two processes may both publish gaps, but none is left out.
                for channel in CHANNELS:
                    await self.gap(channel)
            await self._link.call(lambda redis: redis.set(_HISTORY, history))
        except RedisAway:
            raise LogAway from None
        return known is not None

    def on_change(self, callback: Changed) -> None:
        self._reader.on_change(callback)

    async def reach(self, channel: str, cursor: str) -> None:
        place = StreamPosition.parse(cursor)
        if place is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(REACH_SECONDS):
                while (here := StreamPosition.parse(self.cursor(channel))) and place.follows(here):
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
            # It goes its way also when the caller is cancelled: its record is stored.
            await asyncio.shield(taken)

    async def _send_forever(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._work.wait()
            self._work.clear()
            try:
                if self._queue.drained.is_set():
                    # Nobody else may know of what Redis had from us, and has no more.
                    await self._link.call(lambda redis: self._visit(redis, self._taken))
                while (load := self._queue.take()) is not None:
                    await self._send(load)
                    self._queue.sent()
            except RedisAway:
                self._queue.let_go()
                if self._link.trouble is None:
                    self._work.set()  # only this call has failed
            except Exception:
                # Nobody waits for the next run; it sends what this one has taken.
                self._queue.let_go()
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
                args += (parcel.mark, parcel.tags, parcel.body)
        epoch, *ids = await self._link.script(self._appending, self._keys, args)
        self._taken = {
            name: f"{epoch.decode()}-{at.decode()}"
            for name, at in zip(scripts.ALL, ids, strict=True)
        }

    async def _visit(self, redis: Redis, cursors: Mapping[str, str]) -> Visit:
        args = [secrets.token_hex(4), *cursors.values()]
        epoch, ms, *rest = await self._visiting(keys=self._keys, args=args, client=redis)
        places, origins = {}, {}
        for name, at, origin in zip(scripts.ALL, rest[::2], rest[1::2], strict=True):
            place_ms, _, offset = at.decode().partition("-")
            places[name] = StreamPosition(epoch.decode(), int(place_ms), int(offset))
            if origin:
                origins[name] = origin.decode()
        return Visit(int(ms), places, origins)


def _parcels(records: Sequence[Mapping[str, Any]], tags: Sequence[str]) -> list[Parcel]:
    # All or none: one that cannot be encoded leaves no trace.
    bodies = [dumps(record) for record in records]
    lines = "\n".join(tags).encode()
    # Their tags go with the first of them.
    return [Parcel(b"", body, b"" if number else lines) for number, body in enumerate(bodies)]


def _parts(row: OutboxRow) -> Iterator[tuple[str | None, Sequence[Parcel], Sequence[str]]]:
    """What `SendQueue.put` takes of a row."""
    if row.points:
        for points in row.points:
            yield "metrics", _parcels(points, row.tags), ()
    elif row.channel is None or not row.bodies:
        yield None, (), row.tags
    else:
        lines = "\n".join(row.tags).encode()
        for at in range(0, len(row.bodies), LOAD_EVENTS):
            first, *rest = row.bodies[at : at + LOAD_EVENTS]
            parcels = [Parcel(f"{row.id}/{at}".encode(), first, lines)]
            parcels += [Parcel(b"=", body) for body in rest]
            yield row.channel, parcels, ()
