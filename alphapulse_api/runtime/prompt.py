"""Futures that resume their tasks in the turn of the event loop in which they are resolved.

asyncio resumes a task one turn after its future is resolved. A turn runs everything that is ready,
so beside many readers each turn adds milliseconds to a write, which waits for several futures one
after the other.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from time import perf_counter
from typing import Any, Self, TypeVar

from alphapulse_api.runtime.slices import SLICE_SECONDS

T = TypeVar("T")

_Callback = tuple[Callable[[Any], object], asyncio.Future[Any], Context]


class _Resuming(threading.local):
    """The callbacks that this thread runs at the end of a `resuming` block; None outside of one."""

    callbacks: deque[_Callback] | None = None


_resuming = _Resuming()


class PromptFuture(asyncio.Future[T]):
    """A future whose callbacks run at the end of the `resuming` block in which it is resolved.

    Outside of such a block it is like any other future.
    """

    def __init__(self) -> None:
        super().__init__()
        self._awaited: list[tuple[Callable[[Any], object], Context]] = []

    def add_done_callback(
        self, fn: Callable[[Self], object], /, *, context: Context | None = None
    ) -> None:
        if self.done():
            super().add_done_callback(fn, context=context)
        else:
            self._awaited.append((fn, context or copy_context()))

    def remove_done_callback(self, fn: Callable[[Self], object], /) -> int:
        left = [(function, context) for function, context in self._awaited if function != fn]
        removed = len(self._awaited) - len(left)
        self._awaited = left
        return removed + super().remove_done_callback(fn)

    def set_result(self, result: T, /) -> None:
        super().set_result(result)
        self._call_back()

    def set_exception(self, exception: type | BaseException, /) -> None:
        super().set_exception(exception)
        self._call_back()

    def cancel(self, msg: Any | None = None) -> bool:
        cancelled = super().cancel(msg)
        if cancelled:
            self._call_back()
        return cancelled

    def _call_back(self) -> None:
        awaited, self._awaited = self._awaited, []
        for function, context in awaited:
            if _resuming.callbacks is None:
                self.get_loop().call_soon(function, self, context=context)
            else:
                _resuming.callbacks.append((function, self, context))


@contextmanager
def resuming() -> Iterator[None]:
    """Run the callbacks of the prompt futures that are resolved in the block, at its end.

    Those that these callbacks resolve follow, so a chain of tasks is resumed in one turn. If there
    are more than 2 ms of them, the rest runs in the next turns. Use it in a callback of the event
    loop, where no task is running.
    """
    assert asyncio.current_task() is None
    assert _resuming.callbacks is None
    callbacks = _resuming.callbacks = deque()
    try:
        yield
    finally:
        _run(callbacks)


def _run(callbacks: deque[_Callback]) -> None:
    loop = asyncio.get_running_loop()
    end = perf_counter() + SLICE_SECONDS
    _resuming.callbacks = callbacks
    try:
        while callbacks and perf_counter() < end:
            function, future, context = callbacks.popleft()
            try:
                context.run(function, future)
            except Exception as error:
                loop.call_exception_handler(
                    {"message": "a callback failed", "exception": error, "future": future}
                )
    finally:
        _resuming.callbacks = None
        if callbacks:
            loop.call_soon(_run, callbacks)
