"""Divides long work on the database into steps, each a short transaction, so that others can write.

A step queues behind the writes that are waiting. A write that comes during a step waits only for
that step, because the next step queues behind it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypeVar

from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.engine.base import Work

T = TypeVar("T")

STEP_SECONDS: Final = 0.01  # how long a step should take, without its commit
LEAST_BYTES: Final = 4096
MOST_BYTES: Final = 4 * 2**20  # SQLite checkpoints its log after as much
FIRST_BYTES: Final = 64 * 1024


class Steps:
    """Runs steps, and adapts their size to the time that the last one took.

    Args:
        engine: the database.
        most: the bound of a step in bytes.
        clock: monotonic time in seconds.
    """

    __slots__ = ("_clock", "_engine", "_most", "size")

    def __init__(
        self,
        engine: Engine,
        most: int = MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._most = most
        self._clock = clock
        self.size = min(FIRST_BYTES, most)
        """Bytes that the next step may handle."""

    def __repr__(self) -> str:
        return f"<Steps of {self.size} bytes>"

    async def run(self, work: Work[T], size: int) -> T:
        """Run one step in a transaction.

        Args:
            work: the step.
            size: the bytes that it handles.

        Returns:
            What `work` returns.

        Raises:
            Unavailable: if the transaction could not be committed.
        """
        seconds = 0.0

        async def timed(transaction: Transaction) -> T:
            nonlocal seconds
            began = self._clock()
            result = await work(transaction)
            seconds = self._clock() - began
            return result

        result = await self._engine.write(timed)
        self.adapt(size, seconds)
        # Leave the database to others for the same time.
        await asyncio.sleep(min(seconds, STEP_SECONDS))
        return result

    def time_is_up(self, began: float) -> bool:
        """Whether a step that began at that reading of the clock should end."""
        return self._clock() - began >= STEP_SECONDS

    def now(self) -> float:
        """The reading of the clock, in seconds."""
        return self._clock()

    def adapt(self, size: int, seconds: float) -> None:
        """Choose the next size, after a step over `size` bytes took that many seconds."""
        fitting = int(size * STEP_SECONDS / seconds) if seconds > 0 else self._most
        # A step that was small because few rows were left says little about larger ones, so the
        # size at most doubles.
        self.size = max(min(fitting, 2 * max(size, self.size), self._most), self._least)

    @property
    def _least(self) -> int:
        return min(LEAST_BYTES, self._most)
