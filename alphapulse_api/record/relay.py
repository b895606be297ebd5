"""From the outbox to the event log: whatever is committed is published, once.

The process that committed rows relays them at once from memory, and removes them in batches. Rows
that stay are relayed by whoever finds them: a process that died left them, or the log was away. The
log deduplicates by a row's id, so any number of processes may relay the same rows at once; and each
of them relays a record's rows in their order, so that the log has them in it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from alphapulse_api.cache import Cache
from alphapulse_api.cache.memory import MemoryCache
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.domain.outbox import OutboxRow
from alphapulse_api.log import EventLog
from alphapulse_api.log.base import LogAway
from alphapulse_api.log.memory import MemoryEventLog
from alphapulse_api.runtime.supervisor import consume_exception
from alphapulse_api.storage import outbox
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.sqlite.transaction import run

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0  # between two looks at the table
REMOVED_TOGETHER: Final = 100
PAGE: Final = 500  # rows read at once, and of how many events they are
PAGE_EVENTS: Final = 2000
LOOKED_AT: Final = 5000  # of the oldest rows
FLUSH_SECONDS: Final = 10.0
ON_LOOP_POSITIONS: Final = 200  # of a portfolio; more are encoded on a thread
AT_ONCE_EVENTS: Final = 50  # of a commit; more are handed out in several turns of the loop

Snapshot = Callable[[int], Awaitable[Mapping[str, Any] | None]]


class _Group:
    """The rows of a commit, and what waits until they were relayed."""

    __slots__ = ("done", "rows")

    def __init__(self, rows: Sequence[OutboxRow]) -> None:
        self.rows = rows
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Relay:
    """Relays the rows of one database, for one event loop.

    Args:
        engine: the database.
        cache: of answers that the records make stale.
        events: the log.
        snapshot: a snapshot of the portfolio by its time, or None; rows refer to it.
        leaves: whether the rows are left to another process: this one has a log that nobody reads.
        alone: whether no other process relays the rows of this database.
    """

    def __init__(
        self,
        engine: Engine,
        cache: Cache,
        events: EventLog,
        snapshot: Snapshot,
        *,
        leaves: bool = False,
        alone: bool = False,
    ) -> None:
        self._engine = engine
        self._cache = cache
        self._events = events
        self._snapshot = snapshot
        self._leaves = leaves
        self._alone = alone
        # Few rows suspend neither, so they are published before their callers are answered.
        self._at_once = isinstance(cache, MemoryCache) and isinstance(events, MemoryEventLog)
        self._groups: deque[_Group] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._mine: set[str] = set()  # in the table, and not left to anybody else
        # Of those, to be removed; in order, and looked into by the thread that writes.
        self._relayed: dict[str, None] = {}
        self._removing: asyncio.Task[None] | None = None
        self._behind = False  # the log was away: rows are in the table alone
        self._missed = 0  # events of rows that came meanwhile
        self._seen: Collection[str] = ()  # rows of others, at the look before
        self._look = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None  # of the next look
        self._started = False
        engine.on_commit(self._take, relayed=self._relayed, leaves=leaves)

    def __repr__(self) -> str:
        state = "behind" if self._behind else "current"
        return f"<Relay {state} groups={len(self._groups)} relayed={len(self._relayed)}>"

    @property
    def waiting(self) -> int:
        """Events that are committed and not in the log, since that is away."""
        return self._missed

    async def flush(self) -> None:
        """Wait until all that was committed before is in the log, or the log is away."""
        if self._groups:
            await asyncio.shield(self._groups[-1].done)

    async def publish(
        self, channel: str, records: Sequence[Mapping[str, Any]], tags: Sequence[str]
    ) -> None:
        """Publish what a host's own store has stored: it has no outbox."""
        await self._cache.invalidate(*tags)
        await self._events.append(channel, records, tags)

    async def invalidate(self, *tags: str) -> None:
        """Make cached answers unreachable in every process."""
        await self._cache.invalidate(*tags)
        await self._events.announce(tags)

    def look(self) -> None:
        """Look at the table now: another process has written."""
        self._look.set()

    async def watch_forever(self) -> None:
        """Relay the rows that others left, and remove those that were relayed, until cancelled."""
        while True:
            try:
                await self.relay_left()
            except Unavailable:
                self._look_soon()  # readiness finds out why
            # Whoever serves a file alone is called (`look`) when another process has written.
            if not self._alone or self._behind:
                self._look_soon()
            await self._look.wait()
            self._look.clear()

    def _look_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._due)

    def _due(self) -> None:
        self._timer = None
        self._look.set()

    async def leave(self) -> None:
        """Leave what is committed from now on to the next server, whose log is another.

        Returns once this process relays nothing more and the table has none of the rows that it
        relayed.

        Raises:
            Unavailable: if the database is away; then rows may be relayed by both.
        """
        self._leaves = True
        self._engine.on_commit(self._take, relayed=self._relayed, leaves=True)
        # Rows of earlier commits come here before this one is answered.
        await self._engine.write(_nothing)
        await self.flush()
        if self._removing is not None:
            await asyncio.shield(self._removing)
        await self._remove()

    async def close(self) -> None:
        """Relay what was committed, for a bounded time, and remove it."""
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await self.flush()
                if self._removing is not None:
                    await asyncio.shield(self._removing)
                await self._remove()
        except (TimeoutError, Unavailable):
            # What stays in the table the next process relays.
            logger.warning("%d rows stay in the outbox", len(self._mine))
        if self._timer is not None:
            self._timer.cancel()

    # -- the process's own rows -------------------------------------------------------------------

    def _take(self, rows: Sequence[OutboxRow]) -> None:
        """Rows that were committed, in their order."""
        self._mine.update(row.id for row in rows)
        if self._at_once and not self._groups and _suspends_nothing(rows):
            run(self._relay_own_or_fall_behind(rows))
            return
        self._groups.append(_Group(rows))
        if self._pump is None:
            self._pump = asyncio.get_running_loop().create_task(self._relay_groups())
            self._pump.add_done_callback(consume_exception)

    async def _relay_groups(self) -> None:
        try:
            while self._groups:
                groups = tuple(self._groups)
                rows = [row for group in groups for row in group.rows]
                await self._relay_own_or_fall_behind(rows)
                for group in groups:
                    self._groups.popleft()
                    group.done.set_result(None)
        finally:
            self._pump = None

    async def _relay_own_or_fall_behind(self, rows: Sequence[OutboxRow]) -> None:
        try:
            await self._relay_own(rows)
        except Exception:
            # The rows are in the table: the next look finds them there.
            logger.exception("committed events could not be relayed, trying again")
            self._fall_behind()

    async def _relay_own(self, rows: Sequence[OutboxRow]) -> None:
        await self._cache.invalidate(*{tag for row in rows for tag in row.tags})
        if self._leaves:
            self._mine.clear()
            return
        if not self._behind:
            try:
                await self._append(rows)
            except LogAway:
                self._fall_behind()
            else:
                self._done([row.id for row in rows])
                return
        else:
            # Points wait for the log in memory: they are in no row.
            with suppress(LogAway):
                await self._events.relay([row for row in rows if row.points])
        self._missed += sum(len(row.bodies) or 1 for row in rows if row.channel and not row.stored)
        self._mine.difference_update(row.id for row in rows)

    def _fall_behind(self) -> None:
        self._behind = True
        self._look_soon()

    async def _append(self, rows: Sequence[OutboxRow]) -> None:
        """Append rows to the log, in their order.

        Raises:
            LogAway: if it may lack any of them.
        """
        complete = []
        for row in rows:
            if row.channel is None or row.bodies:
                complete.append(row)
            elif row.record_id is None:
                await self._events.gap(row.channel)
            else:
                record = row.records[0] if row.records else await self._snapshot(int(row.record_id))
                if record is not None:
                    if len(record.get("positions", ())) > ON_LOOP_POSITIONS:
                        body = await asyncio.to_thread(dumps, record)
                    else:
                        body = dumps(record)
                    complete.append(row._replace(bodies=(body,), records=(record,)))
        if complete:
            await self._events.relay(complete)

    # -- removal ----------------------------------------------------------------------------------

    def _done(self, ids: Sequence[str]) -> None:
        self._relayed.update(dict.fromkeys(ids))
        self._look_soon()  # and remove them
        if len(self._relayed) >= REMOVED_TOGETHER and self._removing is None:
            self._removing = asyncio.get_running_loop().create_task(self._remove())
            self._removing.add_done_callback(self._removed)

    def _removed(self, task: asyncio.Task[None]) -> None:
        self._removing = None
        consume_exception(task)
        if self._relayed:  # rows that came meanwhile, or could not be removed
            self._look_soon()

    async def _remove(self) -> None:
        ids = list(self._relayed)
        if ids:
            await outbox.remove(self._engine, ids)
            for id_ in ids:
                self._relayed.pop(id_, None)
            self._mine.difference_update(ids)

    # -- rows that are left -----------------------------------------------------------------------

    async def relay_left(self) -> None:
        """Look once at the table."""
        if self._leaves:
            await self._collapse()
            return
        if self._removing is None:
            await self._remove()
        if self._behind:
            await self._catch_up()
            return
        if not self._started:
            # The log may not know any more whether it has had rows that are this old.
            await self._collapse()
            self._started = True
        found = await outbox.oldest(self._engine, LOOKED_AT)
        theirs = {id_: count for id_, count in found.items() if id_ not in self._mine}
        # Another process has most often relayed what is there, and not removed it yet.
        left = {id_: n for id_, n in theirs.items() if self._alone or id_ in self._seen}
        self._seen = theirs
        if sum(left.values()) > self._events.size:
            await self._collapse()
            self._look.set()
        elif left:
            page = _page(left)
            await self._relay_left(await outbox.read(self._engine, page))
            if len(page) < len(left):
                self._look.set()

    async def _catch_up(self) -> None:
        """Relay all that is in the table; then rows are relayed from memory again."""
        await self._collapse()
        while True:
            missed = self._missed
            page = _page(await outbox.oldest(self._engine, PAGE))
            rows = await outbox.read(self._engine, page) if page else []
            if not rows:
                if missed == self._missed:
                    self._behind = False
                    self._missed = 0
                    return
                continue
            if not await self._relay_left(rows):
                return

    async def _relay_left(self, rows: Sequence[OutboxRow]) -> bool:
        """Relay rows out of the table, and remove them; returns whether the log took them."""
        # Own rows of the same records that were committed before them may be on their way still.
        await self.flush()
        await self._cache.invalidate(*{tag for row in rows for tag in row.tags})
        try:
            await self._append(rows)
        except LogAway:
            self._behind = True
            return False
        ids = [row.id for row in rows]
        await outbox.remove(self._engine, ids)
        self._mine.difference_update(ids)
        return True

    async def _collapse(self) -> None:
        await outbox.collapse(self._engine, self._events.size, self._events.ttl)


async def _nothing(_: Transaction) -> None:
    return None


def _suspends_nothing(rows: Sequence[OutboxRow]) -> bool:
    """Whether rows are relayed to a log in memory within one short step of the loop."""
    # A row that another process stored may refer to its record, which is read first.
    return sum(len(row.bodies) for row in rows) <= AT_ONCE_EVENTS and not any(
        row.stored or len(record.get("positions", ())) > ON_LOOP_POSITIONS
        for row in rows
        for record in row.records or ({},)
    )


def _page(rows: Mapping[str, int]) -> list[str]:
    """The ids of the first rows that are relayed together; one, however long it is."""
    page: list[str] = []
    events = 0
    for id_, count in rows.items():
        if page and (len(page) == PAGE or events + count > PAGE_EVENTS):
            break
        page.append(id_)
        events += count
    return page
