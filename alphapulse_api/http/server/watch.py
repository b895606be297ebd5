"""One timer that checks all connections that wait for their clients."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

CHECKS: Final = 10  # of a connection within the shortest time-out
LONGEST_TICK: Final = 1.0  # seconds


class Watched(Protocol):
    """A connection that may wait too long."""

    def check(self, now: float) -> None:
        """End what takes too long. `now`: the loop's clock, in seconds."""


class Watch:
    """Checks connections regularly, as long as there are any.

    Args:
        shortest: the shortest time-out that the connections have, in seconds.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, shortest: float) -> None:
        self._loop = loop
        self._tick = min(LONGEST_TICK, shortest / CHECKS)
        self._connections: dict[Watched, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def __contains__(self, connection: Watched) -> bool:
        return connection in self._connections

    def add(self, connection: Watched) -> None:
        """Check the connection regularly until it is discarded."""
        self._connections[connection] = None
        if self._timer is None:
            self._schedule(self._loop.time())

    def discard(self, connection: Watched) -> None:
        """Stop checking the connection."""
        self._connections.pop(connection, None)

    def stop(self) -> None:
        """End the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _schedule(self, now: float) -> None:
        self._due = now + self._tick
        self._timer = self._loop.call_at(self._due, self._check)

    def _check(self) -> None:
        now = self._loop.time()
        # If the loop is late, it has not read what arrived meanwhile: wait for the next check.
        if now - self._due < self._tick:
            for connection in tuple(self._connections):
                connection.check(now)
        if self._connections:
            self._schedule(now)
        else:
            self._timer = None
