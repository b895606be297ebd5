"""Runs one computation at a time for each key, and shares its result with all who wait for it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from alphapulse_api.runtime.supervisor import consume_exception

T = TypeVar("T")


class SingleFlight:
    """Runs computations by key; callers that ask while one is running share its result.

    Args:
        abandon: whether to cancel a computation when every caller waiting for it is cancelled.
    """

    def __init__(self, *, abandon: bool = False) -> None:
        self._under_way: dict[Any, asyncio.Task[Any]] = {}
        self._waiting: Counter[asyncio.Task[Any]] = Counter()
        self._abandon = abandon

    def __contains__(self, key: Any) -> bool:
        return key in self._under_way

    async def once(self, key: Any, compute: Callable[[], Awaitable[T]]) -> T:
        """The result of `compute`, which runs only if none for the key is under way.

        Raises:
            Exception: what `compute` raises, in every caller that waits for it.
        """
        task: asyncio.Task[T] | None = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.ensure_future(_awaited(compute))
            task.add_done_callback(partial(self._done, key))
        self._waiting[task] += 1
        try:
            # Cancelling one caller must not cancel the computation for the others.
            return await asyncio.shield(task)
        finally:
            self._waiting[task] -= 1
            if not self._waiting[task]:
                del self._waiting[task]
                if self._abandon and not task.done():
                    self._under_way.pop(key, None)
                    task.cancel()

    def _done(self, key: Any, task: asyncio.Task[Any]) -> None:
        if self._under_way.get(key) is task:
            del self._under_way[key]
        consume_exception(task)  # there may be no caller left to retrieve it


async def _awaited(compute: Callable[[], Awaitable[T]]) -> T:
    return await compute()
