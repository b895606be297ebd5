"""Polls the sockets of clients that read nothing, all in one turn of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

LAG_SECONDS: Final = 0.064


class LagTimer:
    """One timer for many sockets: a timer for each would cost more than the poll."""

    __slots__ = ("_polls", "_timer")

    def __init__(self) -> None:
        self._polls: dict[Callable[[], None], None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<LagTimer polls={len(self._polls)}>"

    def __len__(self) -> int:
        """Return how many sockets are polled next."""
        return len(self._polls)

    def add(self, poll: Callable[[], None]) -> None:
        """Call `poll` once, when the timer fires next."""
        self._polls[poll] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LAG_SECONDS, self._run)

    def discard(self, poll: Callable[[], None]) -> None:
        """Do not call `poll`, unless the timer has already fired."""
        self._polls.pop(poll, None)

    def _run(self) -> None:
        self._timer = None
        polls, self._polls = self._polls, {}
        loop = asyncio.get_running_loop()
        for poll in polls:
            loop.call_soon(poll)  # a failure of one must not stop the others
