"""An event loop in its own thread, for programs that do not await.

anyio's BlockingPortal does the same with less code, but waits for ever if the loop blocks or ends
(docs/architecture.md).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future, InvalidStateError, wait
from time import monotonic
from typing import Any, Final, Protocol, TypeVar

from alphapulse_api.domain.errors import (
    DashboardClosed,
    DashboardFailed,
    DashboardForked,
    Unavailable,
)
from alphapulse_api.runtime.executor import LastingExecutor
from alphapulse_api.runtime.forks import disown_in_children

T = TypeVar("T")

EXECUTOR_THREADS: Final = 8


class Resource(Protocol):
    """An asynchronous context manager."""

    async def __aenter__(self) -> object: ...

    async def __aexit__(self, *_: object) -> None: ...


class LoopThread:
    """Keeps an asynchronous context manager open in a thread, and runs calls in its event loop.

    Args:
        resource: entered by `start` and left by `stop`, both in the thread.
        name: of the thread.
    """

    def __init__(self, resource: Resource, name: str) -> None:
        self._resource = resource
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._lock = threading.Lock()
        self._calls: set[Future[Any]] = set()
        self._started = threading.Event()  # or failed to start
        self._leave = asyncio.Event()
        self._closing = False
        self._ended = False
        self._forked = False
        self._failure: BaseException | None = None

    def start(self) -> None:
        """Start the thread, and return once the context manager is entered.

        Raises:
            BaseException: what entering it raises, or what interrupts the wait, such as Ctrl-C; the
                thread has ended in both cases.
        """
        disown_in_children(self)
        try:
            self._thread.start()
            self._started.wait()
        except BaseException:
            self._leave_loop()
            self._join(None)
            raise
        if self._failure is not None:
            self._join(None)
            raise self._failure

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None) -> T:
        """The result of `work`, run in the loop; callable from any other thread.

        Interrupting the caller, such as by Ctrl-C, does not interrupt `work`.

        Args:
            work: what to run.
            timeout: seconds; None: no limit.

        Raises:
            DashboardClosed: after `stop`, or if the loop has ended by itself (`DashboardFailed`).
            DashboardForked: in a forked process.
            Unavailable: if there is no result within `timeout`; `work` may still complete.
            Exception: what `work` raises.
        """
        future = self._schedule(work)
        try:
            return future.result(timeout)
        except TimeoutError:
            if future.done():  # raised by the work itself
                raise
            raise Unavailable(
                f"The dashboard has not answered within {timeout:g} s. The record may still be "
                "stored: repeat the call with the same id."
            ) from None
        except CancelledError:
            self.check()
            raise DashboardClosed from None

    def check(self) -> None:
        """Raise what a call would raise immediately.

        Raises:
            DashboardClosed, DashboardForked: as `run`.
        """
        if self._forked:  # before the lock, which another thread may have held at the fork
            raise DashboardForked
        with self._lock:
            if (refusal := self._refusal()) is not None:
                raise refusal

    def refuse(self) -> None:
        """Refuse further calls; those in progress continue."""
        if not self._forked:
            with self._lock:
                self._closing = True

    def stop(self, timeout: float | None) -> None:
        """Complete the calls under way, leave the context manager, and end the thread.

        Does nothing in a forked process.

        Args:
            timeout: seconds; None: no limit.

        Raises:
            Unavailable: if the loop is blocked and does not end within `timeout`.
            DashboardFailed: if the loop has ended by itself.
        """
        if self._forked:
            return
        end = None if timeout is None else monotonic() + timeout
        with self._lock:
            self._closing = True
            calls = tuple(self._calls)
        wait(calls, timeout)
        self._leave_loop()
        self._join(end)
        if self._thread.is_alive():
            raise Unavailable(
                f"The dashboard has not ended within {timeout:g} s: its event loop is blocked."
            )
        if self._failure is not None:
            raise DashboardFailed(self._failure) from self._failure

    def disown(self) -> None:
        """Refuse every call: the thread runs in the process that this one was forked from."""
        self._forked = True

    def _schedule(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        try:
            if self._forked:
                raise DashboardForked
            with self._lock:
                if (refusal := self._refusal()) is not None:
                    raise refusal
                try:
                    future = asyncio.run_coroutine_threadsafe(work, self._loop)
                except RuntimeError:  # the loop ends at this moment
                    raise DashboardClosed from None
                self._calls.add(future)
        except RuntimeError:
            work.close()
            raise
        future.add_done_callback(self._discard)
        return future

    def _discard(self, future: Future[Any]) -> None:
        with self._lock:
            self._calls.discard(future)

    def _refusal(self) -> RuntimeError | None:
        """Why no call is taken; None if calls are taken."""
        if self._failure is not None:
            return DashboardFailed(self._failure)
        return DashboardClosed() if self._closing or self._ended else None

    def _leave_loop(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._leave.set)
        except RuntimeError:
            pass  # the loop has ended by itself

    def _join(self, end: float | None) -> None:
        if self._thread.ident is not None:
            self._thread.join(None if end is None else max(0.0, end - monotonic()))

    async def _serve(self) -> None:
        running = asyncio.current_task()
        assert running is not None
        # Leaving while the context manager is still being entered cancels its entry.
        leaving = asyncio.ensure_future(self._leave.wait())
        leaving.add_done_callback(lambda _: None if self._started.is_set() else running.cancel())
        try:
            async with self._resource:
                self._started.set()
                await self._leave.wait()
        finally:
            leaving.cancel()

    def _main(self) -> None:
        failure: BaseException | None = None
        try:
            self._loop.set_default_executor(LastingExecutor(EXECUTOR_THREADS, "alphapulse-work"))
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            failure = error
        with self._lock:
            self._failure, self._ended = failure, True
            calls = tuple(self._calls)
            refusal = self._refusal()
        for call in calls:
            try:
                call.set_exception(refusal)
            except InvalidStateError:
                pass  # it has completed
        self._started.set()
