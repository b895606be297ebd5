"""The event log of one process: a ring a channel.

A cursor is `epoch-offset`. The epoch is new with every start, so that a cursor from before a
restart is seen to be one and never taken for a place in the new ring.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from alphapulse_api.events.base import CHANNELS, Event, Follower

logger = logging.getLogger(__name__)


class _Ring:
    """One channel's newest events, their offsets without a gap up to `last`."""

    __slots__ = ("epoch", "events", "last", "times")

    def __init__(self, size: int) -> None:
        self.epoch = secrets.token_hex(4)
        self.events: deque[Event] = deque(maxlen=size)
        self.times: deque[float] = deque(maxlen=size)
        self.last = 0

    def cursor(self, offset: int) -> str:
        return f"{self.epoch}-{offset}"

    def extend(self, events: Sequence[Event], at: float) -> None:
        self.events.extend(events)
        self.times.extend([at] * len(events))
        self.last += len(events)

    def forget(self, before: float) -> None:
        while self.times and self.times[0] < before:
            self.times.popleft()
            self.events.popleft()


class MemoryEventLog:
    """The log inside one process.

    Args:
        size: events kept a channel.
        ttl: seconds an event is kept.
    """

    def __init__(self, size: int = 10_000, ttl: float = 3600) -> None:
        self._ttl = ttl
        self._rings = {name: _Ring(size) for name in CHANNELS}
        self._followers: list[Follower] = []

    async def append(self, channel: str, records: Sequence[Mapping[str, Any]]) -> None:
        if not records:
            return
        ring = self._rings[channel]
        at = time.monotonic()
        ring.forget(at - self._ttl)
        # All or none: an event that cannot be encoded must not leave a gap in the offsets.
        events = [
            Event(CHANNELS[channel], offset, ring.cursor(offset), record)
            for offset, record in enumerate(records, ring.last + 1)
        ]
        ring.extend(events, at)
        for follower in tuple(self._followers):
            try:
                follower(events)
            except Exception:
                # The record is stored and logged: one follower's fault is not the writer's.
                logger.exception("a follower of the event log failed")

    def cursor(self, channel: str) -> str:
        ring = self._rings[channel]
        return ring.cursor(ring.last)

    def offset(self, channel: str) -> int:
        return self._rings[channel].last

    def since(self, channel: str, cursor: str) -> Sequence[Event] | None:
        ring = self._rings[channel]
        ring.forget(time.monotonic() - self._ttl)
        epoch, _, offset = cursor.rpartition("-")
        if epoch != ring.epoch or not (offset.isascii() and offset.isdigit() and len(offset) < 20):
            return None
        missing = ring.last - int(offset)
        if not 0 <= missing <= len(ring.events):
            return None
        return tuple(islice(ring.events, len(ring.events) - missing, None))

    def follow(self, follower: Follower) -> Callable[[], None]:
        self._followers.append(follower)
        return lambda: self._followers.remove(follower)
