"""The event log of one process: a ring a channel.

A cursor is `epoch-offset`. The epoch is new with every start, so that a cursor from before a
restart is seen to be one and never taken for a place in the new ring.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alphapulse_api.events.base import CHANNELS, Broken, Changed, Event, Follower
from alphapulse_api.events.followers import Followers
from alphapulse_api.events.ring import Ring


class MemoryEventLog:
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
        self._rings = {name: Ring(size, ttl, f"{epoch}-0") for name, epoch in self._epochs.items()}
        self._followers = Followers()

    async def open(self) -> None:
        """Nothing: a ring in memory is ready at once."""

    async def close(self) -> None:
        """Nothing: it goes with the process."""

    async def append(
        self,
        channel: str,
        records: Sequence[Mapping[str, Any]],
        changed: Sequence[str] = (),
    ) -> None:
        if not records:
            return
        ring, epoch = self._rings[channel], self._epochs[channel]
        # All or none: an event that cannot be encoded must not leave a gap in the offsets.
        events = [
            Event(CHANNELS[channel], offset, f"{epoch}-{offset}", record)
            for offset, record in enumerate(records, ring.number + 1)
        ]
        ring.extend(events, [time.monotonic()] * len(events))
        self._followers.hand_out(events)

    async def announce(self, changed: Sequence[str]) -> None:
        """Nothing: there is no other process."""

    def on_change(self, callback: Changed) -> None:
        """Nothing: no other process changes anything."""

    def cursor(self, channel: str) -> str:
        return self._rings[channel].cursor

    def offset(self, channel: str) -> int:
        return self._rings[channel].number

    async def reach(self, channel: str, cursor: str) -> None:
        """Nothing: what is not known here is known nowhere."""

    def since(self, channel: str, cursor: str) -> Sequence[Event] | None:
        return self._rings[channel].since(cursor)

    def follow(self, follower: Follower, broken: Broken) -> Callable[[], None]:
        return self._followers.add(follower, broken)
