"""Long work on the event loop, in slices of 2 ms.

A thread would not help: parsing and checking hold the interpreter lock, and in a host's process a
thread may keep it for 5 ms at a time. So such work is a generator that yields wherever it may be
interrupted, and the loop gets a turn after each slice.
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
    """Runs long work of one event loop: all callers together share one slice in each turn."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()  # waiters are served in the order they came
        self._left = SLICE_SECONDS  # of this turn

    async def run(self, steps: Steps[T]) -> T:
        """Run `steps` to its end, in slices.

        Args:
            steps: yields several times a millisecond.

        Returns:
            The value that `steps` returns.

        Raises:
            Exception: what `steps` raises.
        """
        while True:
            async with self._lock:
                if self._left > 0 and (done := self._slice(steps)) is not None:
                    return done[0]
                await asyncio.sleep(0)

    def _slice(self, steps: Steps[T]) -> tuple[T] | None:
        """Run for the rest of this turn's slice; returns the value of `steps` once it is done."""
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
        """Start the slice of a new turn of the loop."""
        self._left = SLICE_SECONDS


def finish(steps: Steps[T]) -> T:
    """Run `steps` to its end at once: for callers outside an event loop, and for short work."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            value: T = stop.value
            return value


def releasing(value: Any) -> Steps[None]:
    """Free a parsed body in steps, since freeing a million values at once takes long."""
    members = value.values() if isinstance(value, dict) else (value,)
    for member in members:
        if isinstance(member, list):
            while member:
                del member[-RELEASED:]
                yield
