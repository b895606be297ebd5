"""Detects commits of other connections, in any process, to an SQLite file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Final

INTERVAL_SECONDS: Final = 0.25
"""Between two looks. A server publishes what others wrote within 300 ms: this, and one relay."""


class CommitWatch:
    """Compares `PRAGMA data_version`, which changes only by commits of other connections.

    It has no thread or timer of its own: the owner of the connection calls `look_if_due` at the
    latest after `seconds_left`.

    Args:
        connection: the connection; used by the calling thread only.
        notify: called when the version has changed or could not be read.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        notify: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._notify = notify
        self._clock = clock
        self._version = self._read()
        self._due = clock() + INTERVAL_SECONDS

    @property
    def seconds_left(self) -> float:
        """Seconds until the next check is due; never negative."""
        return max(0.0, self._due - self._clock())

    def look_if_due(self) -> None:
        """If a check is due, read the version, and notify if it has changed."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + INTERVAL_SECONDS
        before, self._version = self._version, self._read()
        if self._version is None or self._version != before:
            self._notify()

    def _read(self) -> int | None:
        try:
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            return None  # the callback reads the database and gets the error
        return int(version)
