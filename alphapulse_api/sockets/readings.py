"""What reading the past may cost: one reading at a time of a caller, and so many rows a second."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from alphapulse_api.domain.errors import RateLimited

# A row costs some 10 µs to read, encode and frame: a caller that asks for more and more snapshots
# and replays is left a fifth of a core, after a burst of a few seconds.
ROWS_A_SECOND: Final = 20_000
ROWS_BURST: Final = 500_000
QUERY_ROWS: Final = 10  # what a query costs beside its rows, which may be none


class Readings:
    """Counts the rows of snapshots and replays that callers have had read for them.

    What others had read anyway, and is shared, costs nothing.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._whole_at: dict[str, float] = {}  # by caller: when its allowance is whole again
        self._turns: dict[str, asyncio.Lock] = {}
        self._asking: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Readings callers={len(self._whole_at)} reading={len(self._turns)}>"

    @asynccontextmanager
    async def turn(self, caller: str) -> AsyncIterator[None]:
        """Wait until the caller has nothing else read.

        Raises:
            RateLimited: if it had too much read.
        """
        lock = self._turns.setdefault(caller, asyncio.Lock())
        self._asking[caller] += 1
        try:
            async with lock:
                self._check(caller)
                yield
        finally:
            self._asking[caller] -= 1
            if not self._asking[caller]:
                del self._asking[caller], self._turns[caller]

    def charge(self, caller: str, rows: int) -> None:
        """So many rows were read for the caller; one reading may cost more than is left."""
        now = self._clock()
        if len(self._whole_at) > 10_000:
            self._whole_at = {who: at for who, at in self._whole_at.items() if at > now}
        self._whole_at[caller] = max(now, self._whole_at.get(caller, now)) + rows / ROWS_A_SECOND

    def _check(self, caller: str) -> None:
        ahead = self._whole_at.get(caller, 0.0) - self._clock()
        over = ahead - ROWS_BURST / ROWS_A_SECOND
        if over > 0:
            raise RateLimited(
                f"Snapshots and replays of one caller may hold {ROWS_BURST} rows at once and "
                f"{ROWS_A_SECOND} a second",
                over,
            )
