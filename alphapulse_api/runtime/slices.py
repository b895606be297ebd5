"""Long work on the event loop, a slice of 2 ms at a time.

A thread would not help: what parses and checks a body holds the interpreter's lock, and in a host's
process a thread may keep it for 5 ms at a time. So such work is a generator that yields wherever it
may be interrupted, and the loop gets a turn after each slice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from time import perf_counter
from typing import Any, Final, TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]

SLICE_SECONDS: Final = 0.002
ON_LOOP_BYTES: Final = 64 * 1024  # larger bodies are hashed and compressed on a thread
RELEASED: Final = 100  # elements freed in one step


class Slices:
    """Runs long work of one event loop: one slice a turn of the loop, whoever asks."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()  # waiters are served in the order they came
        self._left = SLICE_SECONDS  # of this turn

    async def run(self, steps: Steps[T]) -> T:
        """Run to the end.

        Args:
            steps: work that yields at least every fraction of a millisecond.

        Returns:
            What it returns; what it raises is raised.
        """
        while True:
            async with self._lock:
                if self._left > 0 and (done := self._slice(steps)) is not None:
                    return done[0]
                await asyncio.sleep(0)

    def _slice(self, steps: Steps[T]) -> tuple[T] | None:
        """Run for what is left of this turn; returns the work's value once it is done."""
        if self._left == SLICE_SECONDS:
            asyncio.get_running_loop().call_soon(self._turn)
        began = perf_counter()
        end = began + self._left
        try:
            while perf_counter() < end:
                next(steps)
        except StopIteration as stop:
            return (stop.value,)
        finally:
            self._left = min(self._left, end - perf_counter())
        return None

    def _turn(self) -> None:
        """The loop has come round."""
        self._left = SLICE_SECONDS


def finish(steps: Steps[T]) -> T:
    """Run to the end at once: for callers that no loop waits for."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            value: T = stop.value
            return value


def releasing(value: Any) -> Steps[None]:
    """Empty a parsed body, its arrays in parts: to free a million values at once takes long."""
    members = value.values() if isinstance(value, dict) else (value,)
    for member in members:
        if isinstance(member, list):
            while member:
                del member[-RELEASED:]
                yield
