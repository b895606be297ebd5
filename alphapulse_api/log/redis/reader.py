"""Reads the streams of a shared log into the rings and followers of one process.

One connection waits for the entries of all channels. It is the only source of events in this
process, including its own, so they arrive in the log's order and with the log's cursors.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from alphapulse_api.domain.channels import LOGGED
from alphapulse_api.log.base import Changed, Event, Gap
from alphapulse_api.log.followers import Followers
from alphapulse_api.log.held import HeldJson
from alphapulse_api.log.position import StreamPosition, Visit, id_of, order_of
from alphapulse_api.log.redis.entries import Entry, Fields, decode, entries_within, parse
from alphapulse_api.log.redis.past import Page, read_past
from alphapulse_api.log.redis.scripts import ALL, CHANGED, CHANGES, STREAMS
from alphapulse_api.log.redis.send_queue import EVERYTHING
from alphapulse_api.log.ring import Ring
from alphapulse_api.log.shares import Shares
from alphapulse_api.runtime.redis import CALL_SECONDS, RedisLink

logger = logging.getLogger(__name__)

# Entries of a stream per answer, and their bytes: decoding them takes about a millisecond.
SLICE: Final = 200
SLICE_BYTES: Final = 1 << 18
BLOCK_SECONDS: Final = 1.0  # also how long a log that lost its past may go unnoticed
RETRY_SECONDS: Final = 0.25

_CHANNEL_OF: Final = {stream: name for name, stream in STREAMS.items()}


class Reader:
    """Fills the rings and calls the followers.

    Args:
        link: to the Redis.
        rings: by channel; each begins at a position that the log does not have.
        shares: those of the rings.
        followers: they get the events.
        visit: asks for the log's state, given the channels' cursors here.
        name: the writer name of this process.
        clock: that of the rings; seconds, monotonic.

    Attributes:
        gaps: how many gaps were published.
        unreadable: how many entries were foreign or damaged.
    """

    def __init__(
        self,
        link: RedisLink,
        rings: Mapping[str, Ring],
        shares: Shares,
        followers: Followers,
        visit: Callable[[Redis, Mapping[str, str]], Awaitable[Visit]],
        name: str,
        clock: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._link = link
        self._rings = rings
        self._shares = shares
        self._followers = followers
        self._visit = visit
        self._name = name.encode()
        self._client = link.blocking()
        self._positions: dict[Any, Any] = {}  # by stream, the ID to read after
        # The position after the newest entry of CHANGES; at first one that the log does not have.
        self._invalidated = next(iter(rings.values())).cursor
        self._changed: list[Changed] = []
        self._moved: dict[str, asyncio.Event] = {}
        self._entered = False
        self._failing = False
        self.gaps = 0
        self.unreadable = 0

    @property
    def failing(self) -> bool:
        """Whether it is not reading at present."""
        return self._failing or not self._entered

    def on_change(self, callback: Changed) -> None:
        """Call back with each tag that another process invalidates; None stands for all tags."""
        self._changed.append(callback)

    async def enter(self) -> None:
        """Read the past of every channel.

        Raises:
            RedisError, OSError: if Redis is away.
        """
        visit = await self._visit_log()
        for name, position in visit.positions.items():
            if name == CHANGED:
                self._invalidated = position.cursor
                self._positions[CHANGES] = position.id
            else:
                await self._load(name, position, visit.ms)
        self._entered = True

    async def read_forever(self) -> None:
        """Publish new entries to the followers, until cancelled."""
        while True:
            try:
                await self._read_on()
            except (RedisError, OSError) as error:
                await self._lost(error)
            except Exception:
                # Some entries may be half done, so the next run starts again, with gaps.
                self._entered = False
                await self._client.connection_pool.disconnect()
                self._announce(None)
                raise

    async def close(self) -> None:
        """Disconnect."""
        await self._client.aclose()

    async def moved(self, channel: str) -> None:
        """Wait until the channel's ring has changed."""
        await self._moved.setdefault(channel, asyncio.Event()).wait()

    async def _read_on(self) -> None:
        if self._entered:
            await self._revisit()
        else:
            await self.enter()
            for name, ring in self._rings.items():
                self._publish_gap(name, Gap(LOGGED[name], ring.number, ring.cursor))
        # Any invalidation may have been missed while there was no connection.
        self._announce(None)
        self._failing = False
        clock = asyncio.get_running_loop().time
        due = clock() + BLOCK_SECONDS
        count = SLICE
        while True:
            answer = await self._ask(
                self._client.xread(dict(self._positions), count, round(1000 * BLOCK_SECONDS)),
                BLOCK_SECONDS,
            )
            for _, found in answer:
                count = entries_within(SLICE_BYTES, found, SLICE)
            entries = {stream.decode(): found for stream, found in answer}
            self._take_changes(entries.pop(CHANGES, ()))
            for stream, found in entries.items():
                self._take(stream, found)
            if clock() >= due:
                await self._revisit()
                due = clock() + BLOCK_SECONDS

    async def _load(self, name: str, position: StreamPosition, ms: int) -> None:
        """Fill the ring with the newest events without a gap, up to the position."""
        ring, channel, stream = self._rings[name], LOGGED[name], STREAMS[name]

        async def page(end: str, count: int) -> Page:
            answer: Page = await self._ask(self._client.xrevrange(stream, end, "-", count=count))
            return answer

        past = await read_past(page, position, ring.size, lambda id_: self._skip(stream, id_))
        ring.restart(past.base)
        offset = self._clock() - ms / 1000  # from the clock of Redis to ours
        for number, (entry, at) in enumerate(past.entries, ring.number + 1):
            held = HeldJson(channel, number, [entry.cursor], [entry.body])
            self._shares.extend(name, held, offset + at / 1000)
        self._positions[stream] = position.id

    async def _revisit(self) -> None:
        """Check that our positions are still those of the log."""
        visit = await self._visit_log()
        for name, position in visit.positions.items():
            stream, here = ALL[name], self._cursor(name)
            if name in visit.origins:
                here = visit.origins[name]
                self._restart(name, here)
            elif position.cursor == here or order_of(self._positions[stream]) <= position[1:]:
                continue
            # Also if foreign entries moved the read position past the log's next entry.
            self._positions[stream] = id_of(here)

    async def _visit_log(self) -> Visit:
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
            logger.warning("failed to read the event log, trying again: %s", error)
        self._failing = True
        # Invalidations do not arrive now, so no cached answer may be older than this moment.
        self._announce(None)
        await asyncio.sleep(RETRY_SECONDS)

    # -- entries ----------------------------------------------------------------------------------

    def _take(self, stream: str, found: Iterable[tuple[bytes, Fields]]) -> None:
        name = _CHANNEL_OF[stream]
        ring, channel = self._rings[name], LOGGED[name]
        events: list[Event] = []
        bodies: list[bytes | None] = []

        def publish() -> None:
            if events:
                cursors = [event.cursor for event in events]
                held = HeldJson(channel, events[0].offset, cursors, bodies.copy())
                self._shares.extend(name, held, self._clock())
                self._followers.publish(tuple(events))
                events.clear()
                bodies.clear()

        for entry_id, fields in found:
            self._positions[stream] = entry_id.decode()
            here = events[-1].cursor if events else ring.cursor
            entry = parse(entry_id, fields, here)
            if entry is None:
                self._skip(stream, entry_id)
                continue
            if entry.after != here:
                publish()
                self._restart(name, entry.after)
            # Before the event: a client that gets it must not find an older cached answer.
            self._invalidate(entry)
            data = decode(entry.body)
            if entry.body is None or data is None:
                if entry.body is not None:
                    self._skip(stream, entry_id)
                publish()
                self._restart(name, entry.cursor)
                continue
            number = ring.number + len(events) + 1
            events.append(Event(channel, number, entry.cursor, data, entry.body))
            bodies.append(entry.body)
        publish()
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
        """Announce the tags of another process; our own were invalidated before the append."""
        if entry.by != self._name and entry.tags:
            for tag in entry.tags.split("\n"):
                self._announce(None if tag == EVERYTHING else tag)

    def _cursor(self, name: str) -> str:
        return self._invalidated if name == CHANGED else self._rings[name].cursor

    def _announce(self, resource: str | None) -> None:
        for callback in self._changed:
            callback(resource)

    def _restart(self, name: str, cursor: str) -> None:
        """Continue the ring from the cursor; events before it may be missing."""
        if name == CHANGED:
            self._invalidated = cursor
            self._announce(None)
            return
        ring = self._rings[name]
        ring.restart(cursor)
        self._publish_gap(name, Gap(LOGGED[name], ring.number, cursor))

    def _publish_gap(self, name: str, gap: Gap) -> None:
        self.gaps += 1
        self._announce(None)
        self._followers.publish_gap(gap)
        self._wake(name)

    def _wake(self, name: str) -> None:
        if (moved := self._moved.pop(name, None)) is not None:
            moved.set()

    def _skip(self, stream: str, entry_id: bytes) -> None:
        self.unreadable += 1
        if self.unreadable == 1:
            logger.error("skipped a foreign or damaged entry: %s %s", stream, entry_id.decode())
