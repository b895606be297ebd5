"""Appends outbox rows to the event log: encodes what they refer to, and turns losses into gaps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from alphapulse_api.cache import Cache
from alphapulse_api.cache.memory import MemoryCache
from alphapulse_api.domain.encoded import json_of
from alphapulse_api.domain.outbox import OutboxRow
from alphapulse_api.log import EventLog
from alphapulse_api.log.base import LogAway
from alphapulse_api.log.memory import MemoryEventLog

IMMEDIATE_EVENTS: Final = 50  # a commit with more is published in several turns of the loop

Snapshot = Callable[[str, int], Awaitable[Mapping[str, Any] | None]]


class LogWriter:
    """Publishes outbox rows: invalidates cached answers, then appends the events.

    Args:
        cache: the cached answers.
        events: the log.
        snapshot: returns the portfolio snapshot of a book and a time in microseconds, or None;
            rows refer to snapshots.

    Attributes:
        on_invalidated: called with the tags that rows have invalidated; does nothing by default.
    """

    def __init__(self, cache: Cache, events: EventLog, snapshot: Snapshot) -> None:
        self._cache = cache
        self._events = events
        self._snapshot = snapshot
        self.on_invalidated: Callable[[Collection[str]], object] = len
        self._in_memory = isinstance(cache, MemoryCache) and isinstance(events, MemoryEventLog)

    async def invalidate(self, rows: Sequence[OutboxRow]) -> None:
        """Invalidate the answers in this process, or in the cache that all processes share."""
        tags = {tag for row in rows for tag in row.tags}
        await self._cache.invalidate(*tags)
        self.on_invalidated(tags)

    async def append(self, rows: Sequence[OutboxRow]) -> None:
        """Append rows to the log, in their order.

        Raises:
            LogAway: if any of them may be missing from the log.
        """
        complete = []
        for row in rows:
            if row.channel is None or row.bodies:
                complete.append(row)
            elif row.record_id is None:
                await self._events.gap(row.channel)
            elif (resolved := await self._resolved(row, row.record_id)) is not None:
                complete.append(resolved)
        if complete:
            await self._events.relay(complete)

    async def append_points(self, rows: Sequence[OutboxRow]) -> None:
        """Append the points of rows, which are not in the table; the log keeps them while away."""
        with suppress(LogAway):
            await self._events.relay([row for row in rows if row.points])

    def is_immediate(self, rows: Sequence[OutboxRow]) -> bool:
        """Whether rows are published in one short step of the loop, without suspending."""
        # A row from the table may refer to a record that must be read first.
        return (
            self._in_memory
            and sum(len(row.bodies) or 1 for row in rows) <= IMMEDIATE_EVENTS
            and not any(row.stored for row in rows)
        )

    async def _resolved(self, row: OutboxRow, record_id: str) -> OutboxRow | None:
        """The row with the record that it refers to; None if retention removed the record."""
        record = row.records[0] if row.records else await self._snapshot(row.book, int(record_id))
        if record is None:
            return None
        return row._replace(bodies=(json_of(record),), records=(record,))
