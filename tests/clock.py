"""A clock of the event loop that a test moves: real limits, and nobody waits for them."""

from __future__ import annotations

import asyncio

STEPS = 50  # the timers that are due in between run in their order, and so does what they wake
TURNS = 3


class LoopClock:
    """The running loop's time, which every timer of the loop goes by.

    A limit that is an hour long on this clock cannot be reached by a slow machine, only by
    `advance`.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._real = self._loop.time
        self._ahead = 0.0
        self._loop.time = self._time  # type: ignore[method-assign]

    def _time(self) -> float:
        return self._real() + self._ahead

    async def advance(self, seconds: float) -> None:
        """Let so much time pass, in steps, each with turns of the loop for what is due."""
        for _ in range(STEPS):
            self._ahead += seconds / STEPS
            for _ in range(TURNS):
                await asyncio.sleep(0)
