"""Settings of a whole process, for processes that are ours and not a host's."""

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

# How many more containers than before there must be for the collector to look at the youngest, and
# how often that must have happened for it to look at older ones. Python's own are 700, 10 and 10;
# but events of the log and cached answers are many, live long, and are in no cycle, and what ends
# frees itself (docs/architecture.md). One look at the two younger generations is at most 6,000
# containers long, 3 ms of dicts as large as a trade: no request may hold the loop for 10.
GC_THRESHOLDS: Final = (1_000, 4, 1_000)

# How long a thread that checks or stores a batch may keep the interpreter to itself while the loop
# has somebody to answer. Python's own is 5 ms, and an answer waits for it wherever threads change:
# to the one that reads the database and back.
SWITCH_SECONDS: Final = 0.001

_M_ARENA_MAX: Final = -8  # of <malloc.h>


def tune() -> None:
    """Let the garbage collector look less often and threads take turns sooner.

    A host decides that for itself.
    """
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_SECONDS)
    _share_one_heap()


def freeze_heap() -> None:
    """Exempt everything that exists now from garbage collection; call it once, after the start.

    A full collection then visits what came later only, and so takes some 30 ms less. After 20,000
    trades by POST it visits 900 containers in 1 ms, since the event log holds JSON: with a few
    objects an event it visited 51,000 in 22 ms. It is due after some five million new containers.
    """
    gc.collect()
    gc.freeze()


def _share_one_heap() -> None:
    """Let all threads allocate from one heap, where the C library is glibc.

    By default each has its own, and each keeps what was free at its fullest moment: with a console
    open for 20 minutes the demo took 120 MB, and with one heap 108. Threads rarely allocate at the
    same time, since most of the work holds the interpreter's lock.
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
