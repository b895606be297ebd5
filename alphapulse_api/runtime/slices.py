"""Long work in slices, on the event loop or on a thread.

A thread alone would not help: parsing, checking and encoding hold the interpreter lock, and in a
host's process a thread may keep it for 5 ms at a time. So such work is a generator that yields
wherever it may be interrupted. On the loop, other tasks get a turn after each slice of 2 ms. On a
thread, other threads get the lock after each slice of 1 ms.

A thread that waits for the lock asks for it after the switch interval. If the holder releases it
before, for a system call, and takes it back before the waiting thread has woken up, that thread
waits anew. So our threads sleep between slices, for long enough to wake up another thread.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Generator
from time import perf_counter
from typing import Any, Final, TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]

SLICE_SECONDS: Final = 0.002
THREAD_SLICE_SECONDS: Final = 0.001  # on any thread but the main one
PAUSE_SECONDS: Final = 0.00005  # between slices on such a thread; the kernel adds as much
MOMENT_SECONDS: Final = 0.00025  # of new work: a record is checked or freed in less
ON_LOOP_BYTES: Final = 64 * 1024  # larger bodies are hashed and compressed on a thread
RELEASED: Final = 100  # elements freed in one step


class Slices:
    """Runs long work of one event loop: all callers together share one slice in each turn.

    New work runs at once for a moment, so what is short does not wait behind what is long. The rest
    of longer work takes turns, in the order in which it came. Answers for readers do so from the
    start, so that they do not delay the checks of writes.

    A loop that does not run in the main thread is that of a guest (`Dashboard.in_thread`). Its
    slices are shorter, and it sleeps between them.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()  # waiters are served in the order they came
        self._moments = _Share(SLICE_SECONDS / 2)
        self._slices = _Share(SLICE_SECONDS)

    async def run(self, steps: Steps[T], *, for_reader: bool = False) -> T:
        """Run `steps` to its end, in slices.

        Args:
            steps: yields several times a millisecond.
            for_reader: whether it makes the answer to a GET.

        Returns:
            The value that `steps` returns.

        Raises:
            Exception: what `steps` raises.
        """
        if not for_reader:
            while self._moments.used:  # noqa: ASYNC110 - until the next turn
                await asyncio.sleep(0)
            if (done := self._moments.run(steps, MOMENT_SECONDS)) is not None:
                return done[0]
        guest = threading.current_thread() is not threading.main_thread()
        most = THREAD_SLICE_SECONDS if guest else SLICE_SECONDS
        while True:
            async with self._lock:
                if not self._slices.used and (done := self._slices.run(steps, most)) is not None:
                    return done[0]
                if guest:
                    time.sleep(PAUSE_SECONDS)  # noqa: ASYNC251 -- for the threads of the host
                await asyncio.sleep(0)


class _Share:
    """Some seconds of each turn of the loop, for all work that runs in the turn."""

    __slots__ = ("_left", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._left = seconds  # of this turn

    @property
    def used(self) -> bool:
        """Whether nothing is left of it in this turn."""
        return self._left <= 0

    def run(self, steps: Steps[T], most: float) -> tuple[T] | None:
        """Run for up to `most` seconds of the share; returns the value of `steps` if it is done."""
        if self._left == self._seconds:
            asyncio.get_running_loop().call_soon(self._turn)
        now = perf_counter()
        share_ends = now + self._left
        end = min(share_ends, now + most)
        try:
            while perf_counter() < end:
                next(steps)
        except StopIteration as stop:
            return (stop.value,)
        finally:
            self._left = min(self._left, share_ends - perf_counter())
        return None

    def _turn(self) -> None:
        """Begin the share of a new turn of the loop."""
        self._left = self._seconds


def finish(steps: Steps[T]) -> T:
    """Run `steps` to its end at once: for callers outside an event loop, and for short work."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            value: T = stop.value
            return value


class Pauses:
    """Pauses of work on a thread, one after each slice."""

    __slots__ = ("_due",)

    def __init__(self) -> None:
        self._due = perf_counter() + THREAD_SLICE_SECONDS

    def take(self) -> None:
        """Let other threads run if a slice is over; call it several times a millisecond."""
        if perf_counter() >= self._due:
            time.sleep(PAUSE_SECONDS)
            self._due = perf_counter() + THREAD_SLICE_SECONDS


def paced(steps: Steps[T]) -> T:
    """Run `steps` to its end on a thread, in slices.

    Args:
        steps: yields several times a millisecond.
    """
    pauses = Pauses()
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            value: T = stop.value
            return value
        pauses.take()


def releasing(value: Any) -> Steps[None]:
    """Free a parsed body in steps, since freeing a million values at once takes long."""
    members = value.values() if isinstance(value, dict) else (value,)
    for member in members:
        if isinstance(member, list):
            while member:
                del member[-RELEASED:]
                yield
