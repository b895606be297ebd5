"""A circuit breaker: one caller that finds the server silent waits for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from alphapulse_api.domain.errors import Unavailable

PROBE_SECONDS: Final = 0.5  # between the end of a probe and the next


class Breaker:
    """Refuses calls while a server does not answer; for one event loop.

    Only silence trips it. A server that refuses, or ends a connection, does so at once, and says
    better than a breaker could what is the matter.

    Args:
        probe: one call, bounded in time; it raises TimeoutError while the server is silent.

    Attributes:
        trips: how often it was tripped.
    """

    __slots__ = ("_probe", "_probing", "trips")

    def __init__(self, probe: Callable[[], Awaitable[None]]) -> None:
        self._probe = probe
        self._probing: asyncio.Task[None] | None = None
        self.trips = 0

    def check(self) -> None:
        """Let a call through.

        Raises:
            Unavailable: at once, while the server is known to be silent.
        """
        if self._probing is not None:
            raise Unavailable("The database is unavailable: the server does not answer.")

    def trip(self) -> None:
        """Refuse all calls, from now until a probe has been answered."""
        if self._probing is None:
            self.trips += 1
            self._probing = asyncio.create_task(self._until_answered(), name="alphapulse-probe")

    async def close(self) -> None:
        """Leave off probing."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait({self._probing})
            self._probing = None

    async def _until_answered(self) -> None:
        while True:
            try:
                await self._probe()
            except TimeoutError:
                await asyncio.sleep(PROBE_SECONDS)
            except Exception:  # the server answers; the next call raises what is wrong
                break
            else:
                break
        self._probing = None
