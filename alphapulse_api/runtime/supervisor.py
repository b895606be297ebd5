"""Work that goes on for as long as its owner, whatever happens to it.

What it can expect, such as an outage, each such work deals with itself. A fault that nobody thought
of must not end it for good: revoked keys would stay valid, events would stop, in silence.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

logger = logging.getLogger(__name__)

PAUSE_SECONDS: Final = 1.0  # before work that failed begins again
# Work that has gone on for so long is well again: more than the pause of any that looks before it
# does something.
WELL_SECONDS: Final = 3.0


def consume_exception(done: asyncio.Future[Any]) -> None:
    """Take the exception of a future that nobody may await: else its end is complained about."""
    if not done.cancelled():
        done.exception()


class Supervisor:
    """Forever-running work of one owner, on one event loop."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failing: set[str] = set()

    def __repr__(self) -> str:
        return f"<Tasks {', '.join(self._tasks)} failing={self.failing}>"

    @property
    def failing(self) -> list[str]:
        """Names of what has failed and not gone on well since."""
        return sorted(self._failing)

    def start(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        """Run `work` until `cancel`, again each time that it fails; `name` is for messages."""
        self._tasks[name] = asyncio.create_task(self._keep_running(work, name), name=name)

    async def cancel(self) -> None:
        """End all."""
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
                # A failure that stays would fill the log with one traceback a second.
                if name not in self._failing:
                    logger.exception("%s failed, it is tried again every second", name)
                self._failing.add(name)
            finally:
                well.cancel()
            await asyncio.sleep(PAUSE_SECONDS)

    def _well(self, name: str) -> None:
        if name in self._failing:
            self._failing.discard(name)
            logger.warning("%s is running again", name)
