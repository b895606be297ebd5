"""Relays rows from the outbox to the event log, so that every commit is published once.

The process that committed rows relays them from memory at once, and removes them in batches. Rows
may stay because their process died or the log was away; any process that finds them relays them.
The log deduplicates by a row's id, so several processes may relay the same rows at once. Each of
them relays a record's rows in order, so the log has them in order.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from alphapulse_api.cache import Cache
from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.domain.outbox import OutboxRow
from alphapulse_api.log import EventLog
from alphapulse_api.log.base import LogAway
from alphapulse_api.record.leftovers import Leftovers
from alphapulse_api.record.log_writer import LogWriter, Snapshot
from alphapulse_api.record.removal import Removal
from alphapulse_api.record.resyncs import Resyncs
from alphapulse_api.runtime.supervisor import consume_exception
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.sqlite.transaction import run

logger = logging.getLogger(__name__)

SCAN_SECONDS: Final = 1.0  # between two scans of the table
FLUSH_SECONDS: Final = 10.0  # how long `close` waits for the log and the database


class _Group:
    """The rows of a commit, and the future of those who wait until they are relayed."""

    __slots__ = ("done", "rows")

    def __init__(self, rows: Sequence[OutboxRow]) -> None:
        self.rows = rows
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Relay:
    """Relays the rows of one database, for one event loop.

    Args:
        engine: the database.
        cache: the cached answers that records make stale.
        events: the log.
        snapshot: returns the portfolio snapshot of a book and a time in microseconds, or None;
            rows refer to snapshots.
        leaves: whether to leave the rows to another process, because nobody reads this one's log.
        alone: whether no other process relays the rows of this database.

    Attributes:
        events, writer: the log, and what appends the rows to it.
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
        self.events = events
        self._leaves = leaves
        self._alone = alone
        self.writer = LogWriter(cache, events, snapshot)
        self._removal = Removal(engine, self._scan_soon)
        self._leftovers = Leftovers(engine, events, alone=alone)
        self._resyncs = Resyncs(engine)
        self._groups: deque[_Group] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._behind = False  # the log was away: rows are in the table only
        self._missed = 0  # events of rows that were committed meanwhile
        self._scan = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None  # of the next scan
        self.attach()

    def __repr__(self) -> str:
        state = "behind" if self._behind else "current"
        relayed = self._removal.relayed_count
        return f"<Relay {state} groups={len(self._groups)} relayed={relayed}>"

    @property
    def waiting(self) -> int:
        """How many committed events are not in the log because it is away."""
        return self._missed

    def attach(self) -> None:
        """Take the rows of the engine's commits from now on; called once at the start."""
        self._engine.on_commit(self._take, relayed=self._removal.relayed, leaves=self._leaves)

    async def flush(self) -> None:
        """Wait until all that was committed before is in the log, or the log is away."""
        if self._groups:
            await asyncio.shield(self._groups[-1].done)

    async def publish(
        self, channel: str, records: Sequence[Mapping[str, Any]], tags: Sequence[str]
    ) -> None:
        """Publish records that a host's own store has stored, because it has no outbox."""
        await self._cache.invalidate(*tags)
        await self.events.append(channel, records, tags)

    async def resync(self, channel: str) -> None:
        """Make the followers of a channel read it again.

        Raises:
            Unavailable: if the database is away; it is done once the database is back.
        """
        try:
            await self._resyncs.write(channel)
        except Unavailable:
            self._scan_soon()
            raise
        await self.flush()

    async def invalidate(self, *tags: str) -> None:
        """Make cached answers unreachable in every process."""
        await self._cache.invalidate(*tags)
        await self.events.announce(tags)

    def look(self) -> None:
        """Scan the table now: another process has written."""
        self._scan.set()

    async def watch_forever(self) -> None:
        """Relay rows that others left, and remove relayed rows, until cancelled."""
        while True:
            try:
                await self.relay_left()
            except Unavailable:
                self._scan_soon()  # readiness reports why
            # The only server of an SQLite file gets a call when another process writes to it.
            if not self._alone or self._behind:
                self._scan_soon()
            await self._scan.wait()
            self._scan.clear()

    def _scan_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SCAN_SECONDS, self._scan_now)

    def _scan_now(self) -> None:
        self._timer = None
        self._scan.set()

    async def leave(self) -> None:
        """Leave rows that are committed from now on to the next server, which has another log.

        Returns once this process relays nothing more and the table has none of the rows that it
        relayed.

        Raises:
            Unavailable: if the database is away; then rows may be relayed by both.
        """
        self._leaves = True
        self.attach()
        # The rows of earlier commits arrive before this write is answered.
        await self._engine.write(_nothing)
        await self.flush()
        await self._removal.finish()

    async def close(self) -> None:
        """Relay and remove the committed rows, for a bounded time."""
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await self.flush()
                await self._removal.finish()
        except (TimeoutError, Unavailable):
            logger.warning(
                "%d rows stay in the outbox; the next process relays them", self._removal.own_count
            )
        if self._timer is not None:
            self._timer.cancel()

    # -- the process's own rows -------------------------------------------------------------------

    def _take(self, rows: Sequence[OutboxRow]) -> None:
        """Relay the rows of a commit, in their order."""
        self._removal.add_own(row.id for row in rows)
        # Few rows are published before the caller of their write is answered.
        if not self._groups and self.writer.is_immediate(rows):
            self._relay_at_once(rows)
            return
        self._groups.append(_Group(rows))
        if self._pump is None:
            self._pump = asyncio.get_running_loop().create_task(self._relay_groups())
            self._pump.add_done_callback(consume_exception)

    def _relay_at_once(self, rows: Sequence[OutboxRow]) -> None:
        try:
            run(self._relay_own_or_fall_behind(rows))
        except Exception:  # the callers of the commit must be answered anyway
            logger.exception("committed events were not relayed at once, trying again")
            self._removal.give_up(row.id for row in rows)
            self._fall_behind()

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
            # The rows are in the table, where the next scan finds them.
            logger.exception("committed events could not be relayed, trying again")
            self._fall_behind()

    async def _relay_own(self, rows: Sequence[OutboxRow]) -> None:
        await self.writer.invalidate(rows)
        if self._leaves:
            self._removal.give_up()
            return
        if self._behind:
            await self.writer.append_points(rows)
        else:
            try:
                await self.writer.append(rows)
            except LogAway:
                self._fall_behind()
            else:
                self._removal.add_relayed([row.id for row in rows])
                return
        self._missed += sum(len(row.bodies) or 1 for row in rows if row.channel and not row.stored)
        self._removal.give_up(row.id for row in rows)

    def _fall_behind(self) -> None:
        self._behind = True
        self._scan_soon()

    # -- rows that are left -----------------------------------------------------------------------

    async def relay_left(self) -> None:
        """Scan the table once, and relay the rows left there."""
        if self._leaves:
            await self._leftovers.collapse()
            return
        await self._resyncs.write_owed()
        await self._removal.remove()
        if self._behind:
            await self._catch_up()
            return
        rows, again = await self._leftovers.scan(self._removal.own)
        if rows:
            await self._relay_left(rows)
        if again:
            self._scan.set()

    async def _catch_up(self) -> None:
        """Relay all that is in the table; then rows are relayed from memory again."""
        await self._leftovers.collapse()
        while True:
            missed = self._missed
            rows = await self._leftovers.oldest()
            if not rows:
                if missed == self._missed:
                    self._behind = False
                    self._missed = 0
                    return
                continue
            if not await self._relay_left(rows):
                return

    async def _relay_left(self, rows: Sequence[OutboxRow]) -> bool:
        """Relay rows from the table, and remove them; returns whether the log accepted them."""
        # Own rows of the same records that were committed earlier may not be relayed yet.
        await self.flush()
        await self.writer.invalidate(rows)
        try:
            await self.writer.append(rows)
        except LogAway:
            self._behind = True
            return False
        await self._leftovers.remove(rows)
        self._removal.give_up(row.id for row in rows)
        return True


async def _nothing(_: Transaction) -> None:
    return None
