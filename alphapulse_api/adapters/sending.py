"""Calls a feed from inside an engine, without letting a fault of the dashboard stop the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from alphapulse_api.embed.feed import HostFeed

BACKTEST_PATIENCE: Final = 60.0  # seconds


class Sender:
    """Hands records over without waiting for the database.

    Args:
        feed: the feed of `Dashboard.in_process` or `Dashboard.in_thread`.
        warn: called with a line for the engine's log when calls begin to fail.

    Attributes:
        patience: seconds for which a call may wait for room in the queue. A live engine must not
            wait. A backtest is faster than any database and should wait `BACKTEST_PATIENCE`. After
            a failure no call waits until one succeeds, so that a dead dashboard does not stall it.
        failed: calls that failed.
    """

    def __init__(self, feed: HostFeed, warn: Callable[[str], object]) -> None:
        self._feed = feed
        self._warn = warn
        self._failing = False
        self.patience = 0.0
        self.failed = 0

    def send(self, method: str, *args: Any) -> None:
        """Call a method of the feed with `wait=False`; failures are counted, never raised."""
        with self.guarded():
            timeout = 0.0 if self._failing else self.patience
            getattr(self._feed, method)(*args, wait=False, timeout=timeout)
            self._failing = False

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Count a failure in the block, and log the first of several in a row."""
        try:
            yield
        except Exception as error:  # trading must go on after any error
            self.failed += 1
            if not self._failing:
                self._warn(f"The dashboard does not get every record: {error}")
            self._failing = True
