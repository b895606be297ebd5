"""The event log of one process: a ring a channel.

A cursor is `epoch-offset`. The epoch is new with every start, so that a cursor from before a
restart is seen to be one and never taken for a place in the new ring.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from alphapulse_api.encoding import dumps
from alphapulse_api.events.base import CHANNELS, Changed, Event, Progress
from alphapulse_api.events.batch import EventBatch
from alphapulse_api.events.local import LocalLog
from alphapulse_api.events.ring import Ring
from alphapulse_api.events.told import Told
from alphapulse_api.points import Points


class MemoryEventLog(LocalLog):
    """The log inside one process.

    Args:
        size: events kept a channel.
        ttl: seconds an event is kept.
    """

    waiting = 0
    breaks = 0
    unreadable = 0
    failing = ()

    def __init__(self, size: int = 10_000, ttl: float = 3600) -> None:
        self._epochs = {name: secrets.token_hex(4) for name in CHANNELS}
        rings = {name: Ring(size, ttl, f"{epoch}-0") for name, epoch in self._epochs.items()}
        super().__init__(rings, ttl)
        self._told = {name: Told(size, ttl) for name in CHANNELS}

    async def open(self) -> None:
        """Nothing: a ring in memory is ready at once."""

    async def flush(self) -> None:
        """Nothing: an append hands its events out."""

    async def close(self) -> None:
        """Nothing: it goes with the process."""

    async def append(
        self,
        channel: str,
        records: Sequence[Mapping[str, Any]],
        changed: Sequence[str] = (),
        progress: Sequence[Progress] = (),
    ) -> None:
        events = self._events(channel, records, progress)
        if events:
            self._rings[channel].extend(events, time.monotonic())
            self._followers.hand_out(events)

    def _events(
        self, channel: str, records: Sequence[Mapping[str, Any]], progress: Sequence[Progress]
    ) -> Sequence[Event]:
        first = self._rings[channel].number + 1
        cursor = f"{self._epochs[channel]}-{{}}".format
        if isinstance(records, Points) and len(records) > 1:
            # Checked, so each can be encoded; always news. (Of one, the event is needed at once.)
            return EventBatch(CHANNELS[channel], first, cursor, records)
        # All or none: one that cannot be encoded leaves no trace.
        news = [(record, dumps(record)) for record in records]
        if progress:
            is_news = self._told[channel].is_news
            news = [new for new, known in zip(news, progress, strict=True) if is_news(known)]
        return [
            Event(CHANNELS[channel], offset, cursor(offset), record, body)
            for offset, (record, body) in enumerate(news, first)
        ]

    async def announce(self, changed: Sequence[str]) -> None:
        """Nothing: there is no other process."""

    def on_change(self, callback: Changed) -> None:
        """Nothing: no other process changes anything."""

    async def reach(self, channel: str, cursor: str) -> None:
        """Nothing: what is not known here is known nowhere."""
