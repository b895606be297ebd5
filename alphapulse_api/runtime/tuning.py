"""Settings of a whole process; used only in processes of our own, never in a host's."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

T = TypeVar("T")

# The thresholds of `gc.set_threshold`. Python's own are 700, 10 and 10. Collections seldom find
# anything here: events of the log and cached answers are many and live long, and objects are freed
# without the collector because they are in no reference cycle (docs/architecture.md). A collection
# of the two younger generations visits at most 6,000 containers. With dicts as large as a trade
# that takes 3 ms; no request may hold the loop for 10.
GC_THRESHOLDS: Final = (1_000, 4, 1_000)

# How long a thread that checks or stores a batch may hold the interpreter lock while the event loop
# waits for it. Python's own is 5 ms. An answer may wait that long at each change of threads: to the
# thread that reads the database, and back.
SWITCH_SECONDS: Final = 0.001

_M_ARENA_MAX: Final = -8  # of <malloc.h>


def tune() -> None:
    """Run the garbage collector less often, switch threads sooner, and share one heap.

    A host decides this for its own process.
    """
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_SECONDS)
    _share_one_heap()


def freeze_heap() -> None:
    """Exempt everything that exists now from garbage collection; call it once, after the start.

    A full collection then visits only what was created later, which saves some 30 ms. After 20,000
    trades by POST it visits 900 containers in 1 ms, because the event log holds JSON. When each
    event was a few objects, it visited 51,000 containers in 22 ms. A full collection is due after
    some five million new containers.
    """
    gc.collect()
    gc.freeze()


def _share_one_heap() -> None:
    """Let all threads allocate from one heap, where the C library is glibc.

    By default threads have separate heaps, and each heap keeps the memory that it had at its peak.
    With a console open for 20 minutes, the demo took 120 MB, or 108 MB with one heap. Threads
    rarely allocate at the same time, since most of the work holds the interpreter lock.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # other C libraries have no such option
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


def on_stop(callback: Callable[[], object]) -> None:
    """Call back on SIGINT and SIGTERM, in place of ending the process.

    Raises:
        NotImplementedError: on Windows, whose loops take no signal handlers.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, callback)
