"""Counts the turns of an event loop."""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class CountingSelector(selectors.DefaultSelector):
    """The selector of an event loop, which calls it once in each turn.

    Attributes:
        turns: how many turns the loop has begun.
        idle: whether the loop waits, because nothing is ready.
    """

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0
        self.idle = threading.Event()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.turns += 1
        if timeout is None or timeout > 0:
            self.idle.set()
        try:
            return super().select(timeout)
        finally:
            self.idle.clear()


def run_counting(work: Callable[[CountingSelector], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine on a loop whose turns are counted."""
    selector = CountingSelector()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        return runner.run(work(selector))
