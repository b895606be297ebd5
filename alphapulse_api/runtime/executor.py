"""A thread pool that accepts work until the interpreter exits.

The pools of concurrent.futures refuse work once the main thread has ended, although other threads
may continue and exit handlers have yet to run. With such a pool, an event loop in another thread
could then no longer read a file or resolve a name.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class LastingExecutor(ThreadPoolExecutor):
    """Runs functions on daemon threads, until `shutdown`.

    It derives from ThreadPoolExecutor because asyncio accepts no other default executor; it shares
    only the interface with it.

    Args:
        threads: the maximum number of threads, which are started on demand.
        name: prefix of the threads' names.
    """

    def __init__(self, threads: int, name: str) -> None:
        super().__init__(threads, name)
        self._limit = threads
        self._name = name
        self._guard = threading.Lock()
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = (
            queue.SimpleQueue()
        )
        self._free = threading.Semaphore(0)  # threads that wait for a job
        self._started: list[threading.Thread] = []
        self._ended = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run `fn`; returns the future of its result.

        Raises:
            RuntimeError: after `shutdown`.
        """
        future: Future[T] = Future()
        with self._guard:
            if self._ended:
                raise RuntimeError("the executor is shut down and takes no more work")
            self._jobs.put((future, partial(fn, *args, **kwargs)))
            if not self._free.acquire(blocking=False) and len(self._started) < self._limit:
                thread = threading.Thread(
                    target=self._work, name=f"{self._name}_{len(self._started)}", daemon=True
                )
                self._started.append(thread)
                thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Refuse further work, and end the threads once the queue is empty.

        Args:
            wait: whether to wait until the threads have ended.
            cancel_futures: whether to cancel the jobs that no thread has begun.
        """
        with self._guard:
            self._ended = True
            if cancel_futures:
                self._cancel_queued()
            for _ in self._started:
                self._jobs.put(None)
        if wait:
            for thread in self._started:
                thread.join()

    def _cancel_queued(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is not None:
                job[0].cancel()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, call = job
            if future.set_running_or_notify_cancel():
                try:
                    result = call()
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
            del job, future, call  # keep no references while waiting
            self._free.release()
