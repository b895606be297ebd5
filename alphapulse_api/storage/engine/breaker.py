"""A circuit breaker: after one call without an answer, other calls fail at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from alphapulse_api.domain.errors import Unavailable

PROBE_SECONDS: Final = 0.5  # between the end of a probe and the next


class Breaker:
    """Refuses calls while a server does not answer; for one event loop.

    Only a server that does not answer trips it. A refusal or a closed connection comes at once, and
    says more about the cause than the breaker could.

    Args:
        probe: one call with a timeout; raises TimeoutError while the server does not answer.

    Attributes:
        trips: the number of times that it was tripped.
    """

    __slots__ = ("_probe", "_probing", "trips")

    def __init__(self, probe: Callable[[], Awaitable[None]]) -> None:
        self._probe = probe
        self._probing: asyncio.Task[None] | None = None
        self.trips = 0

    def check(self) -> None:
        """Allow a call.

        Raises:
            Unavailable: while the server is known not to answer.
        """
        if self._probing is not None:
            raise Unavailable("The database is unavailable: the server does not answer.")

    def trip(self) -> None:
        """Refuse all calls until a probe is answered."""
        if self._probing is None:
            self.trips += 1
            self._probing = asyncio.create_task(self._until_answered(), name="alphapulse-probe")

    async def close(self) -> None:
        """Stop probing."""
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
            except Exception:  # the server answers; the next call raises its error
                break
            else:
                break
        self._probing = None
