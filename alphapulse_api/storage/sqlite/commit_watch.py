"""Notices what other connections, of any process, commit to an SQLite file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Final

INTERVAL_SECONDS: Final = 0.25
"""Between two looks. A server publishes what others wrote within 300 ms: this, and one relay."""


class CommitWatch:
    """Compares `PRAGMA data_version` of one connection, which only commits of others change.

    It has no thread or timer of its own: the owner of the connection calls `look_if_due` at the
    latest after `seconds_left`.

    Args:
        connection: the connection; used by the calling thread only.
        notify: called after a look that found another version, or that could not read it.
        clock: seconds, monotonic.
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
        """Until the next look is due; never negative."""
        return max(0.0, self._due - self._clock())

    def look_if_due(self) -> None:
        """Read the version if the interval is over, and notify if it has changed."""
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
            return None  # whoever is notified reads the database and finds out why
        return int(version)
