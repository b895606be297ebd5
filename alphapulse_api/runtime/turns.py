"""Bounds how many requests begin in one turn of the event loop.

A turn runs everything that is ready, so a hundred readers that ask at once make it long. A write
takes several turns (parsing, the commit, the answer) and would wait for all the readers in each of
them. With a bound it waits for a few milliseconds of reading a turn, however many clients read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Final

TURN_SECONDS: Final = 0.002  # a longer turn halves the number of requests that begin in the next
MOST: Final = 64  # requests that begin in one turn


class Turns:
    """Admits requests to the turns of one event loop, in the order in which they came.

    Args:
        clock: seconds, monotonic.
    """

    __slots__ = ("_admitted", "_began", "_clock", "_next", "_room", "_waiting")

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._next: asyncio.Handle | None = None  # begins the next turn; None while nobody asks
        self._began = 0.0  # when this turn began
        self._admitted = 0  # requests that begin in this turn
        self._room = MOST  # how many may

    def __repr__(self) -> str:
        return f"<Turns room={self._room} waiting={len(self._waiting)}>"

    async def take(self) -> None:
        """Return in a turn that has room for one more request."""
        if self._next is None:
            self._begin(self._clock())
        if self._admitted < self._room and not self._waiting:
            self._admitted += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def _begin(self, now: float) -> None:
        self._began = now
        self._admitted = 0
        self._next = asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Adapt the room to the length of the turn that has ended, and admit those who wait."""
        now = self._clock()
        if now - self._began > TURN_SECONDS:
            self._room = max(1, self._room // 2)
        else:
            self._room = min(MOST, self._room + 1)
        if not self._admitted and not self._waiting:
            self._next = None
            return
        # Those who are admitted here begin in the next turn, behind `_turn`.
        self._begin(now)
        while self._waiting and self._admitted < self._room:
            turn = self._waiting.popleft()
            if not turn.done():  # its request was not cancelled
                turn.set_result(None)
                self._admitted += 1
