"""Work that runs to its end, whoever waits for it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from alphapulse_api.runtime.prompt import PromptFuture
from alphapulse_api.runtime.supervisor import consume_exception

T = TypeVar("T")


class Detached(Generic[T]):
    """Runs a coroutine in a task of its own, which no caller cancels.

    With `asyncio.shield` its callers would resume one turn of the loop later, since the task would
    first have to wake the shield.

    Attributes:
        task: the task.
    """

    __slots__ = ("_callers", "task")

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._callers: list[PromptFuture[T]] = []
        self.task = _begin(self._run(work))
        # If every caller was cancelled, nobody retrieves the exception.
        self.task.add_done_callback(consume_exception)

    async def result(self) -> T:
        """The result of the work.

        Raises:
            Exception: what the work raises, in each caller.
        """
        if self.task.done():
            return self.task.result()
        caller: PromptFuture[T] = PromptFuture()
        self._callers.append(caller)
        return await caller

    async def _run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            result = await work
        except asyncio.CancelledError:
            for caller in self._callers:
                caller.cancel()
            raise
        except BaseException as error:
            for caller in self._callers:
                if not caller.done():  # the caller was cancelled
                    caller.add_done_callback(consume_exception)
                    caller.set_exception(error)
            raise
        for caller in self._callers:
            if not caller.done():
                caller.set_result(result)
        return result


def _begin(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A new task, which begins at once where Python can do so, and otherwise in the next turn."""
    if sys.version_info >= (3, 12):
        return asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)
    return asyncio.create_task(work)
