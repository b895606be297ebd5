"""Supervision of background tasks, which are restarted when they fail.

Each task handles the failures that it expects, such as an outage. An unexpected one must not end it
for good: revoked keys would stay valid, or events would stop, without anybody noticing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

logger = logging.getLogger(__name__)

PAUSE_SECONDS: Final = 1.0  # before a failed task is restarted
# A task that has run for this long counts as recovered. Some tasks sleep before they do anything;
# this is longer than any of those pauses.
WELL_SECONDS: Final = 3.0


def consume_exception(done: asyncio.Future[Any]) -> None:
    """Retrieve the exception of a future that may never be awaited, so asyncio logs nothing."""
    if not done.cancelled():
        done.exception()


class Supervisor:
    """Runs the background tasks of one owner, on one event loop."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failing: set[str] = set()

    def __repr__(self) -> str:
        return f"<Supervisor {', '.join(self._tasks)} failing={self.failing}>"

    @property
    def failing(self) -> list[str]:
        """Names of the tasks that have failed and not recovered since."""
        return sorted(self._failing)

    def start(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        """Run `work` until `cancel`, and restart it each time it fails.

        Args:
            work: the task's coroutine function.
            name: of the task, for messages.
        """
        self._tasks[name] = asyncio.create_task(self._keep_running(work, name), name=name)

    async def cancel(self) -> None:
        """Cancel all tasks, and wait for their end."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        self._failing.clear()

    async def _keep_running(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        loop = asyncio.get_running_loop()
        while True:
            well = loop.call_later(WELL_SECONDS, self._well, name)
            try:
                return await work()
            except Exception:
                # A failure that persists is logged once, not with a traceback every second.
                if name not in self._failing:
                    logger.exception(
                        "the background task %r failed; it is restarted every second", name
                    )
                self._failing.add(name)
            finally:
                well.cancel()
            await asyncio.sleep(PAUSE_SECONDS)

    def _well(self, name: str) -> None:
        if name in self._failing:
            self._failing.discard(name)
            logger.warning("the background task %r is running again", name)
