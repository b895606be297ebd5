"""How long something holds an event loop."""

from __future__ import annotations

import asyncio
import time
from typing import Final, Self

TICK: Final = 0.001  # seconds


class Lateness:
    """The longest stall of the running loop inside a block, in seconds.

    Attributes:
        longest: a stall counts no more than the processor time that this process used meanwhile:
            what other processes take from it is not the loop's fault.
        wall: by the clock alone.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self.wall = 0.0

    async def __aenter__(self) -> Self:
        self._ticker = asyncio.create_task(self._tick())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(2 * TICK)
        self._ticker.cancel()

    async def _tick(self) -> None:
        while True:
            wall, cpu = time.perf_counter(), time.process_time()
            await asyncio.sleep(TICK)
            late = time.perf_counter() - wall - TICK
            self.wall = max(self.wall, late)
            self.longest = max(self.longest, min(late, time.process_time() - cpu))
