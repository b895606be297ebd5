"""Computations of cached answers: of each key at most one runs, and at most one waits.

A request may share the computation that runs only if nothing was written since that one began. If
something was, the request shares the next one, which begins when the running one has ended and so
reads everything that was acknowledged before the request came. However many clients read and
however often something is written, the store computes one answer at a time for each key, and a
request waits for two computations at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

from alphapulse_api.cache.base import Version
from alphapulse_api.runtime.supervisor import consume_exception

T = TypeVar("T")

Look = Callable[[], Awaitable[tuple[Version | None, T | None]]]
Compute = Callable[[Version | None], Awaitable[T]]


class _Run(Generic[T]):
    """A computation, or one that waits to begin.

    Attributes:
        version: of the data when it began to read; None while it waits, and where versions cannot
            be read.
        result: of the computation.
    """

    __slots__ = ("compute", "look", "result", "version")

    def __init__(self, look: Look[T], compute: Compute[T]) -> None:
        self.look = look
        self.compute = compute
        self.version: Version | None = None
        self.result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.result.add_done_callback(consume_exception)  # nobody may be left to retrieve it


class Coalescer(Generic[T]):
    """Runs computations by key."""

    def __init__(self) -> None:
        self._running: dict[Hashable, _Run[T]] = {}
        self._next: dict[Hashable, _Run[T]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Coalescer running={len(self._running)} waiting={len(self._next)}>"

    def begin(
        self, key: Hashable, version: Version | None, look: Look[T], compute: Compute[T]
    ) -> asyncio.Future[T]:
        """The result of a computation that reads what was written before this call.

        Cancelling the future would cancel it for everybody who shares it: shield it.

        Args:
            key: what is computed.
            version: of its data, as read by the caller; None if it cannot be read.
            look: reads the version, and the answer if one of that version exists; called before a
                computation that had to wait.
            compute: computes the answer, given the version that was read before.
        """
        running = self._running.get(key)
        if running is None:
            run = self._running[key] = _Run(look, compute)
            run.version = version
            self._start(key, run, self._computed(run))
            return run.result
        if version is not None and running.version == version:
            return running.result
        waiting = self._next.get(key)
        if waiting is None:
            waiting = self._next[key] = _Run(look, compute)
        return waiting.result

    def _start(self, key: Hashable, run: _Run[T], work: Awaitable[T]) -> None:
        task = asyncio.create_task(_resolve(run, work))
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, key))

    def _ended(self, key: Hashable, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        del self._running[key]
        if (run := self._next.pop(key, None)) is not None:
            self._running[key] = run
            self._start(key, run, self._looked(run))

    async def _computed(self, run: _Run[T]) -> T:
        return await run.compute(run.version)

    async def _looked(self, run: _Run[T]) -> T:
        # Until the version is read, a request cannot know whether this run reads what it wrote.
        version, answer = await run.look()
        if answer is not None:
            return answer
        run.version = version
        return await self._computed(run)


async def _resolve(run: _Run[T], work: Awaitable[T]) -> None:
    """Set the run's result; it may have been cancelled by then."""
    try:
        result = await work
    except asyncio.CancelledError:
        run.result.cancel()
        raise
    except Exception as error:  # it is raised in every request that waits
        if not run.result.done():
            run.result.set_exception(error)
    else:
        if not run.result.done():
            run.result.set_result(result)
