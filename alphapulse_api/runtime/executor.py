"""A thread pool that works for as long as the interpreter does.

The pools of concurrent.futures refuse work from the moment the main thread has ended, although
other threads of a program may go on, and exit handlers are still to run. An event loop in a thread
of its own would no longer read a file or resolve a name.
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
    nothing with it but the interface.

    Args:
        threads: bound on the threads; they are started as they are needed.
        name: prefix of their names.
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
        """Take no more work, and end the threads once the queue is done.

        Args:
            wait: whether to return only then.
            cancel_futures: whether to cancel what no thread has begun.
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
            del job, future, call  # nothing is kept while waiting
            self._free.release()
