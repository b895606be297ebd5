"""A second look at sockets whose clients take nothing: at all of them in one turn of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

LAG_SECONDS: Final = 0.064


class LagTimer:
    """One timer for many sockets: a timer of its own costs more than the look."""

    __slots__ = ("_looks", "_timer")

    def __init__(self) -> None:
        self._looks: dict[Callable[[], None], None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Sweep looks={len(self._looks)}>"

    def add(self, look: Callable[[], None]) -> None:
        """Have it called once, by the next sweep."""
        self._looks[look] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LAG_SECONDS, self._run)

    def discard(self, look: Callable[[], None]) -> None:
        """Have it called no more, unless the sweep is under way."""
        self._looks.pop(look, None)

    def _run(self) -> None:
        self._timer = None
        looks, self._looks = self._looks, {}
        loop = asyncio.get_running_loop()
        for look in looks:
            loop.call_soon(look)  # by the loop, so that one that fails keeps no other from its turn
