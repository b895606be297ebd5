"""The calls of a feed that are under way, and whether it takes more of them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from alphapulse_api.domain.errors import DashboardClosed
from alphapulse_api.runtime.supervisor import consume_exception

T = TypeVar("T")


class Calls:
    """Runs calls to their end, until it is closed."""

    __slots__ = ("_closed", "_under_way")

    def __init__(self) -> None:
        self._closed = False
        self._under_way: set[asyncio.Task[Any]] = set()

    def __repr__(self) -> str:
        return f"<Calls {'closed' if self._closed else 'open'} under_way={len(self._under_way)}>"

    def open(self) -> None:
        """Take calls, also after `close`."""
        self._closed = False

    def check(self) -> None:
        """Raises `DashboardClosed` if no call is taken any more."""
        if self._closed:
            raise DashboardClosed

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a call, which goes on to its end if the caller is cancelled.

        Raises:
            DashboardClosed: if no call is taken any more.
        """
        if self._closed:
            work.close()
            raise DashboardClosed
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        # If it fails after its caller has gone, nobody is left to take the exception.
        task.add_done_callback(consume_exception)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Take no more calls, and wait for those that are under way."""
        self._closed = True
        # A call's own I/O is bounded; one that calls on is waited for, too.
        while self._under_way:
            await asyncio.wait(self._under_way)
