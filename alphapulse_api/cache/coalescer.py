"""Computes cached answers: for each key, at most one computation runs and at most one waits.

A request may share the running computation only if nothing has been written since it began.
Otherwise the request shares the next one, which begins when the running one has ended and so reads
everything that was acknowledged before the request came. However many clients read and however
often data is written, the store computes one answer at a time for each key, and a request waits for
two computations at most.
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
        version: the version of the data when the computation began to read; None while it waits,
            or if versions cannot be read.
        result: the result of the computation.
        task: the task that computes it, once it runs.
        waiting: how many requests wait for it; it is cancelled when none is left.
    """

    __slots__ = ("compute", "look", "result", "task", "version", "waiting")

    def __init__(self, look: Look[T], compute: Compute[T]) -> None:
        self.look = look
        self.compute = compute
        self.version: Version | None = None
        self.task: asyncio.Task[None] | None = None
        self.waiting = 0
        self.result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.result.add_done_callback(consume_exception)  # nobody may be left to retrieve it


class Coalescer(Generic[T]):
    """Runs computations by key."""

    def __init__(self) -> None:
        self._running: dict[Hashable, _Run[T]] = {}
        self._next: dict[Hashable, _Run[T]] = {}

    def __repr__(self) -> str:
        return f"<Coalescer running={len(self._running)} waiting={len(self._next)}>"

    @property
    def waiting(self) -> int:
        """How many requests wait for a computation."""
        return sum(run.waiting for run in (*self._running.values(), *self._next.values()))

    async def get(
        self, key: Hashable, version: Version | None, look: Look[T], compute: Compute[T]
    ) -> T:
        """The result of a computation that reads what was written before this call.

        The computation is cancelled when every request that waits for it has been cancelled.

        Args: see `begin`.

        Raises:
            Exception: what the computation raises, in every request that waits for it.
        """
        run = self._run(key, version, look, compute)
        try:
            return await asyncio.shield(run.result)
        finally:
            run.waiting -= 1
            if not run.waiting and not run.result.done():
                self._abandon(key, run)

    def begin(
        self, key: Hashable, version: Version | None, look: Look[T], compute: Compute[T]
    ) -> None:
        """Begin such a computation, or queue it behind the running one; it is never cancelled.

        Args:
            key: identifies the answer.
            version: the version of its data, as read by the caller; None if it cannot be read.
            look: reads the version, and the answer if one of that version exists; called before a
                computation that had to wait.
            compute: computes the answer, given the version that was read before.
        """
        self._run(key, version, look, compute)

    def _run(
        self, key: Hashable, version: Version | None, look: Look[T], compute: Compute[T]
    ) -> _Run[T]:
        """The computation that a request may share; counts the request as waiting for it."""
        run = self._running.get(key)
        if run is None:
            run = self._running[key] = _Run(look, compute)
            run.version = version
            self._start(key, run, self._computed)
        elif version is None or run.version != version:
            run = self._next.get(key)
            if run is None:
                run = self._next[key] = _Run(look, compute)
        run.waiting += 1
        return run

    def _abandon(self, key: Hashable, run: _Run[T]) -> None:
        if self._next.get(key) is run:
            del self._next[key]
        elif run.task is not None:
            run.version = None  # no later request may share it
            run.task.cancel()

    def _start(self, key: Hashable, run: _Run[T], work: Callable[[_Run[T]], Awaitable[T]]) -> None:
        run.task = asyncio.create_task(_resolve(run, work))
        run.task.add_done_callback(partial(self._ended, key))

    def _ended(self, key: Hashable, _: asyncio.Task[None]) -> None:
        del self._running[key]
        if (run := self._next.pop(key, None)) is not None:
            self._running[key] = run
            self._start(key, run, self._looked)

    async def _computed(self, run: _Run[T]) -> T:
        return await run.compute(run.version)

    async def _looked(self, run: _Run[T]) -> T:
        # Until the version is read, a request cannot know whether this run reads what it wrote.
        version, answer = await run.look()
        if answer is not None:
            return answer
        run.version = version
        return await self._computed(run)


async def _resolve(run: _Run[T], work: Callable[[_Run[T]], Awaitable[T]]) -> None:
    try:
        run.result.set_result(await work(run))
    except asyncio.CancelledError:
        run.result.cancel()
        raise
    except Exception as error:  # it is raised in every request that waits
        run.result.set_exception(error)
