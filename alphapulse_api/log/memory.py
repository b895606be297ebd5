"""The event log of one process: a ring per channel.

A cursor is `epoch-offset`. Every start has a new epoch, so a cursor from before a restart is never
mistaken for a position in the new ring.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from alphapulse_api.domain.channels import LOGGED
from alphapulse_api.domain.encoding import dumps, loads_stored
from alphapulse_api.domain.outbox import OutboxRow
from alphapulse_api.domain.points import Points
from alphapulse_api.log.base import Changed, Event, Gap
from alphapulse_api.log.batch import EventBatch
from alphapulse_api.log.dedup import Dedup
from alphapulse_api.log.held import Held, HeldJson, HeldPoints
from alphapulse_api.log.local import LocalLog
from alphapulse_api.log.ring import Ring
from alphapulse_api.log.shares import DEFAULT_BYTES

SLICE: Final = 100  # events encoded and published between two turns of the loop


class MemoryEventLog(LocalLog):
    """The log inside one process.

    Args:
        size: events kept per channel.
        ttl: seconds an event is kept.
        max_bytes: bytes of the events kept in all channels; a larger event is published and not
            kept.
        clock: seconds, monotonic.
    """

    shared: Mapping[str, int] = MappingProxyType({})
    waiting = 0
    behind = False
    unreadable = 0
    failing = ()

    def __init__(
        self,
        size: int = 10_000,
        ttl: float = 3600,
        max_bytes: int = DEFAULT_BYTES,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._epochs = {name: secrets.token_hex(4) for name in LOGGED}
        rings = {name: Ring(size, ttl, f"{epoch}-0", clock) for name, epoch in self._epochs.items()}
        super().__init__(rings, size, ttl, max_bytes)
        self._relayed = Dedup(len(LOGGED) * size, ttl, clock)
        self.gaps = 0
        self._history: str | None = None

    async def open(self) -> None:
        """Do nothing: a ring in memory is always open."""

    async def flush(self) -> None:
        """Do nothing: an append publishes its events at once."""

    async def close(self) -> None:
        """Do nothing: the log ends with the process."""

    async def append(
        self, channel: str, records: Sequence[Mapping[str, Any]], tags: Sequence[str] = ()
    ) -> None:
        first, cursor = self._next(channel)
        if isinstance(records, Points) and len(records) > 1:
            # They are validated, so each can be encoded later. A single point is needed at once.
            held = HeldPoints(LOGGED[channel], first, cursor, records)
            self._extend(held, EventBatch(LOGGED[channel], first, cursor, records))
            return
        # Encoded before any is appended: all or none.
        self._put(channel, [(record, dumps(record)) for record in records])

    async def relay(self, rows: Sequence[OutboxRow]) -> None:
        encoded = 0  # in this turn of the loop
        for row in rows:
            for points in row.points:
                await self.append("metrics", points)
            if row.channel is not None and self._relayed.is_new(row.id):
                for at in range(0, len(row.bodies), SLICE):
                    bodies = row.bodies[at : at + SLICE]
                    records = row.records[at : at + SLICE] or map(loads_stored, bodies)
                    self._put(row.channel, list(zip(records, bodies, strict=True)))
                    encoded += len(bodies)
                    if encoded >= SLICE:
                        encoded = 0
                        await asyncio.sleep(0)  # let other tasks run

    async def gap(self, channel: str) -> None:
        ring = self._rings[channel]
        ring.restart(f"{self._epochs[channel]}-{ring.number + 1}")
        self.gaps += 1
        self._followers.publish_gap(Gap(LOGGED[channel], ring.number, ring.cursor))

    async def adopt(self, history: str) -> bool:
        lost = self._history not in (None, history)
        if lost:
            for channel in LOGGED:
                await self.gap(channel)
        self._history = history
        return lost

    def _put(self, channel: str, records: Sequence[tuple[Mapping[str, Any], bytes]]) -> None:
        first, cursor = self._next(channel)
        events = [
            Event(LOGGED[channel], offset, cursor(offset), record, body)
            for offset, (record, body) in enumerate(records, first)
        ]
        cursors = [event.cursor for event in events]
        bodies: list[bytes | None] = [body for _, body in records]
        self._extend(HeldJson(LOGGED[channel], first, cursors, bodies), events)

    def _next(self, channel: str) -> tuple[int, Callable[[int], str]]:
        return self._rings[channel].number + 1, f"{self._epochs[channel]}-{{}}".format

    def _extend(self, held: Held, events: Sequence[Event]) -> None:
        if events:
            channel = events[0].channel.name
            self._shares.extend(channel, held, self._clock())
            self._followers.publish(events)

    async def announce(self, tags: Sequence[str]) -> None:
        """Do nothing: there is no other process."""

    def on_change(self, callback: Changed) -> None:
        """Do nothing: no other process changes anything."""

    async def reach(self, channel: str, cursor: str) -> None:
        """Do nothing: no other process is ahead."""
