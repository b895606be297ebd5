"""One computation a key at a time, however many ask."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from alphapulse_api.runtime.supervisor import consume_exception

T = TypeVar("T")


class SingleFlight:
    """Computations under way: who asks for one that flies already waits for it.

    Args:
        abandon: whether to cancel a computation when all who waited for it were cancelled.
    """

    def __init__(self, *, abandon: bool = False) -> None:
        self._under_way: dict[Any, asyncio.Task[Any]] = {}
        self._waiting: Counter[asyncio.Task[Any]] = Counter()
        self._abandon = abandon

    def __contains__(self, key: Any) -> bool:
        return key in self._under_way

    async def once(self, key: Any, compute: Callable[[], Awaitable[T]]) -> T:
        """The result of `compute`, run by whoever asked first."""
        task: asyncio.Task[T] | None = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.ensure_future(_awaited(compute))
            task.add_done_callback(partial(self._landed, key))
        self._waiting[task] += 1
        try:
            # A client that goes away must not take the others' answer with it.
            return await asyncio.shield(task)
        finally:
            self._waiting[task] -= 1
            if not self._waiting[task]:
                del self._waiting[task]
                if self._abandon and not task.done():
                    self._under_way.pop(key, None)
                    task.cancel()

    def _landed(self, key: Any, task: asyncio.Task[Any]) -> None:
        if self._under_way.get(key) is task:
            del self._under_way[key]
        consume_exception(task)  # if nobody waits for it any more, it is nobody's


async def _awaited(compute: Callable[[], Awaitable[T]]) -> T:
    return await compute()
