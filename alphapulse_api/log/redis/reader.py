"""From the streams of a shared log to the rings and followers of one process.

One connection waits for the entries of all channels. It is this process's only source of events,
its own among them: so they come in the log's order, with the log's cursors.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.log.base import Changed, Event, Gap
from alphapulse_api.log.followers import Followers
from alphapulse_api.log.position import StreamPosition
from alphapulse_api.log.redis.entries import Entry, Fields, decode, parse
from alphapulse_api.log.redis.scripts import ALL, CHANGED, CHANGES, STREAMS
from alphapulse_api.log.redis.send_queue import EVERYTHING
from alphapulse_api.log.ring import Ring
from alphapulse_api.runtime.redis import CALL_SECONDS, RedisLink

logger = logging.getLogger(__name__)

# Entries of a stream in one answer: decoded in a millisecond or so, then others run.
SLICE: Final = 200
PAGE: Final = 1000  # entries of the past read at once
BLOCK_SECONDS: Final = 1.0  # also how long a log that lost its past goes unnoticed
RETRY_SECONDS: Final = 0.25

_CHANNEL_OF: Final = {stream: name for name, stream in STREAMS.items()}


class Visit(NamedTuple):
    """What the log says of itself.

    Attributes:
        ms: the time of Redis.
        places: by channel, its newest place.
        origins: the cursor to go on from, of channels whose place was lost.
    """

    ms: int
    places: Mapping[str, StreamPosition]
    origins: Mapping[str, str]


class Reader:
    """Keeps the rings.

    Args:
        link: to the Redis.
        rings: by channel; each begins at a place that is none of the log's.
        followers: who is handed the events.
        visit: asks through a client where the log is, and whether it has the cursors of channels.
        name: of this process as a writer.

    Attributes:
        gaps: places where events may be missing.
        unreadable: entries that were not ours, or damaged.
    """

    def __init__(
        self,
        link: RedisLink,
        rings: Mapping[str, Ring],
        followers: Followers,
        visit: Callable[[Redis, Mapping[str, str]], Awaitable[Visit]],
        name: str,
    ) -> None:
        self._link = link
        self._rings = rings
        self._followers = followers
        self._visit = visit
        self._name = name.encode()
        self._client = link.blocking()
        self._positions: dict[Any, Any] = {}  # by stream, the ID to read after
        # After the newest entry of CHANGES; to begin with, a place that is none.
        self._invalidated = next(iter(rings.values())).cursor
        self._changed: list[Changed] = []
        self._moved: dict[str, asyncio.Event] = {}
        self._entered = False
        self._failing = False
        self.gaps = 0
        self.unreadable = 0

    @property
    def failing(self) -> bool:
        """Whether it does not read at present."""
        return self._failing or not self._entered

    def on_change(self, callback: Changed) -> None:
        """Call back with each resource that another process changed; None: with any."""
        self._changed.append(callback)

    async def enter(self) -> None:
        """Read the past of every channel.

        Raises:
            RedisError, OSError: if Redis is away.
        """
        visit = await self._look()
        for name, place in visit.places.items():
            if name == CHANGED:
                self._invalidated = place.cursor
                self._positions[CHANGES] = place.id
            else:
                await self._load(name, place, visit.ms)
        self._entered = True

    async def read_forever(self) -> None:
        """Hand out what comes, until cancelled."""
        while True:
            try:
                await self._read_on()
            except (RedisError, OSError) as error:
                await self._lost(error)
            except Exception:
                # Whatever it has left half done: the next run begins anew, and tells everybody so.
                self._entered = False
                await self._client.connection_pool.disconnect()
                self._announce(None)
                raise

    async def close(self) -> None:
        """Disconnect."""
        await self._client.aclose()

    async def moved(self, channel: str) -> None:
        """Wait until the channel's ring has moved on."""
        await self._moved.setdefault(channel, asyncio.Event()).wait()

    async def _read_on(self) -> None:
        if self._entered:
            await self._revisit()
        else:
            await self.enter()
            for name, ring in self._rings.items():
                self._tell(name, Gap(CHANNELS[name], ring.number, ring.cursor))
        # What came while there was no connection may have changed anything.
        self._announce(None)
        self._failing = False
        clock = asyncio.get_running_loop().time
        due = clock() + BLOCK_SECONDS
        while True:
            answer = await self._ask(
                self._client.xread(dict(self._positions), SLICE, round(1000 * BLOCK_SECONDS)),
                BLOCK_SECONDS,
            )
            entries = {stream.decode(): found for stream, found in answer}
            self._take_changes(entries.pop(CHANGES, ()))
            for stream, found in entries.items():
                self._take(stream, found)
            if clock() >= due:
                await self._revisit()
                due = clock() + BLOCK_SECONDS

    async def _revisit(self) -> Visit:
        """See whether our places are still the log's."""
        visit = await self._look()
        for name, place in visit.places.items():
            stream, here = ALL[name], self._cursor(name)
            if name in visit.origins:
                here = visit.origins[name]
                self._break(name, here)
            elif place.cursor == here or _order(self._positions[stream]) <= place[1:]:
                continue
            # Here too: entries that are not the log's have led us beyond what is to come.
            self._positions[stream] = _id(here)
        return visit

    async def _look(self) -> Visit:
        cursors = {name: self._cursor(name) for name in ALL}
        visit: Visit = await self._ask(self._visit(self._client, cursors))
        return visit

    async def _ask(self, call: Awaitable[Any], more: float = 0.0) -> Any:
        async with asyncio.timeout(CALL_SECONDS + more):
            return await call

    async def _lost(self, error: Exception) -> None:
        await self._client.connection_pool.disconnect()
        await self._link.ping()
        if self._link.trouble is None and not self._failing:
            logger.warning("the event log could not be read, trying again: %s", error)
        self._failing = True
        # Nobody tells us of changes now: no answer may be older than this moment.
        self._announce(None)
        await asyncio.sleep(RETRY_SECONDS)

    # -- entries ----------------------------------------------------------------------------------

    def _take(self, stream: str, found: Iterable[tuple[bytes, Fields]]) -> None:
        name = _CHANNEL_OF[stream]
        ring, channel = self._rings[name], CHANNELS[name]
        events: list[Event] = []

        def hand_out() -> None:
            if events:
                batch = tuple(events)
                ring.extend(batch, time.monotonic())
                self._followers.hand_out(batch)
                events.clear()

        for entry_id, fields in found:
            self._positions[stream] = entry_id.decode()
            here = events[-1].cursor if events else ring.cursor
            entry = parse(entry_id, fields, here)
            if entry is None:
                self._skip(stream, entry_id)
                continue
            if entry.after != here:
                hand_out()
                self._break(name, entry.after)
            # Before the event: whoever gets it must find no answer from before it.
            self._invalidate(entry)
            data = decode(entry.body)
            if entry.body is None or data is None:
                if entry.body is not None:
                    self._skip(stream, entry_id)
                hand_out()
                self._break(name, entry.cursor)
                continue
            number = ring.number + len(events) + 1
            events.append(Event(channel, number, entry.cursor, data, entry.body))
        hand_out()
        self._wake(name)

    def _take_changes(self, found: Iterable[tuple[bytes, Fields]]) -> None:
        for entry_id, fields in found:
            self._positions[CHANGES] = entry_id.decode()
            entry = parse(entry_id, fields, self._invalidated)
            if entry is None:
                self._skip(CHANGES, entry_id)
                continue
            if entry.after != self._invalidated or not entry.tags:
                self._announce(None)
            self._invalidate(entry)
            self._invalidated = entry.cursor

    def _invalidate(self, entry: Entry) -> None:
        """What another process made stale; ours was invalidated before it was appended."""
        if entry.by != self._name and entry.tags:
            for tag in entry.tags.split("\n"):
                self._announce(None if tag == EVERYTHING else tag)

    def _cursor(self, name: str) -> str:
        return self._invalidated if name == CHANGED else self._rings[name].cursor

    def _announce(self, resource: str | None) -> None:
        for callback in self._changed:
            callback(resource)

    def _break(self, name: str, cursor: str) -> None:
        """The ring goes on from the cursor, and what came before it may be incomplete."""
        if name == CHANGED:
            self._invalidated = cursor
            self._announce(None)
            return
        ring = self._rings[name]
        ring.restart(cursor)
        self._tell(name, Gap(CHANNELS[name], ring.number, cursor))

    def _tell(self, name: str, gap: Gap) -> None:
        self.gaps += 1
        self._announce(None)
        self._followers.tell(gap)
        self._wake(name)

    def _wake(self, name: str) -> None:
        if (moved := self._moved.pop(name, None)) is not None:
            moved.set()

    def _skip(self, stream: str, entry_id: bytes) -> None:
        self.unreadable += 1
        if self.unreadable == 1:
            logger.error("%s: entry %s is not ours, or damaged: skipped", stream, entry_id.decode())

    # -- the past ---------------------------------------------------------------------------------

    async def _load(self, name: str, place: StreamPosition, ms: int) -> None:
        """Fill the ring with the newest events without a gap, up to the place."""
        ring, channel, stream = self._rings[name], CHANNELS[name], STREAMS[name]
        entries: deque[tuple[Entry, Mapping[str, Any], float]] = deque()
        base, at = place.cursor, time.monotonic() - ms / 1000
        end: str | None = place.id
        while end is not None and len(entries) < ring.size:
            page = await self._ask(self._client.xrevrange(stream, end, "-", count=PAGE))
            end = f"({page[-1][0].decode()}" if len(page) == PAGE else None
            for entry_id, fields in page:
                entry = parse(entry_id, fields)
                if entry is None:
                    self._skip(stream, entry_id)
                    continue
                data = decode(entry.body)
                if entry.cursor != base or data is None:
                    end = None
                    break
                entries.appendleft((entry, data, at + int(entry_id.partition(b"-")[0]) / 1000))
                base = entry.after
        ring.restart(base)
        for number, (entry, data, came) in enumerate(entries, ring.number + 1):
            ring.extend((Event(channel, number, entry.cursor, data, entry.body),), came)
        self._positions[stream] = place.id


def _id(cursor: str) -> str:
    return cursor.partition("-")[2]


def _order(entry_id: str) -> tuple[int, int]:
    ms, _, offset = entry_id.partition("-")
    return int(ms), int(offset)
