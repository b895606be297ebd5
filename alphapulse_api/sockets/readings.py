"""Limits the snapshots and replays of each caller: one read at a time, rows, waiting bytes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from alphapulse_api.domain.errors import RateLimited

# A row takes some 10 µs to read, encode and frame. After a burst of a few seconds, a caller that
# keeps asking for snapshots and replays uses a fifth of a core.
ROWS_A_SECOND: Final = 20_000
ROWS_BURST: Final = 500_000
QUERY_ROWS: Final = 10  # what a query counts as, in addition to its rows
# Bytes of snapshots and replays that may wait for the sockets of one caller when another read
# begins; so a caller holds at most this much and the result of one read.
WAITING_BYTES: Final = 64 << 20
RETRY_SECONDS: Final = 5.0  # time for sockets to be read or closed


class _Waiting:
    """Chunks that wait for one or more sockets of a caller."""

    __slots__ = ("chunks", "size", "sockets")

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self.chunks = chunks  # keeps the list alive, so that no other list gets its id
        self.size = sum(map(len, chunks))
        self.sockets = 0


class Readings:
    """Counts the rows that were read for each caller, and the bytes that wait for its sockets.

    Rows that were read for another caller and are shared cost nothing. Bytes that several sockets
    of a caller share count once.

    Args:
        clock: monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._whole_at: dict[str, float] = {}  # by caller: when its allowance is full again
        self._turns: dict[str, asyncio.Lock] = {}
        self._asking: Counter[str] = Counter()
        self._waiting: dict[str, dict[int, _Waiting]] = {}

    def __repr__(self) -> str:
        return f"<Readings callers={len(self._whole_at)} reading={len(self._turns)}>"

    @asynccontextmanager
    async def turn(self, caller: str) -> AsyncIterator[None]:
        """Wait until no other read of the caller is in progress.

        Raises:
            RateLimited: if too many rows were read for it, or too many bytes wait for its sockets.
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
        """Count rows that were read for the caller; one read may exceed the remaining budget."""
        now = self._clock()
        if len(self._whole_at) > 10_000:
            self._whole_at = {who: at for who, at in self._whole_at.items() if at > now}
        self._whole_at[caller] = max(now, self._whole_at.get(caller, now)) + rows / ROWS_A_SECOND

    def waiting(self, caller: str) -> int:
        """Return how many bytes wait for the caller's sockets."""
        return sum(one.size for one in self._waiting.get(caller, {}).values())

    def hold(self, caller: str, chunks: Sequence[bytes]) -> Callable[[], None]:
        """Count chunks that wait for a socket of the caller.

        Returns:
            A function to call once, when the chunks no longer wait for the socket.
        """
        lists = self._waiting.setdefault(caller, {})
        waiting = lists.setdefault(id(chunks), _Waiting(chunks))
        waiting.sockets += 1

        def release() -> None:
            waiting.sockets -= 1
            if not waiting.sockets:
                del lists[id(chunks)]
                if not lists and self._waiting.get(caller) is lists:
                    del self._waiting[caller]

        return release

    def _check(self, caller: str) -> None:
        ahead = self._whole_at.get(caller, 0.0) - self._clock()
        over = ahead - ROWS_BURST / ROWS_A_SECOND
        if over > 0:
            raise RateLimited(
                f"Snapshots and replays of one caller may have {ROWS_BURST} rows at once and "
                f"{ROWS_A_SECOND} a second",
                over,
            )
        if self.waiting(caller) > WAITING_BYTES:
            raise RateLimited(
                f"At most {WAITING_BYTES >> 20} MiB of snapshots and replays may wait for the "
                "sockets of one caller: read them, or close sockets that do not read",
                RETRY_SECONDS,
            )
