"""SQLite's readers: threads with a connection each.

A statement ends at its deadline, and when its caller is cancelled: SQLite calls our function every
`INSTRUCTIONS` instructions, and ends the statement if it returns true. Unlike
`sqlite3_interrupt`, this cannot end the next statement of the same connection.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.runtime.executor import LastingExecutor
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.engine.long_reads import TOO_LONG, is_long
from alphapulse_api.storage.sqlite.errors import translated
from alphapulse_api.storage.sqlite.transaction import fetched, numbered

SHORT: Final = 4  # threads
LONG: Final = 2
# Instructions of SQLite's virtual machine between two callbacks, about 10 ms. A callback takes the
# GIL.
INSTRUCTIONS: Final = 500_000


class _Statement:
    """One statement, and whether anybody still waits for it."""

    __slots__ = ("args", "ends_at", "left", "queued_at", "sql")

    def __init__(self, sql: str, args: Sequence[Any]) -> None:
        self.sql = sql
        self.args = args
        self.queued_at = time.monotonic()
        self.ends_at = float("inf")
        self.left = False

    def is_over(self) -> bool:
        """Whether its caller has left, or its time is up."""
        return self.left or time.monotonic() >= self.ends_at


class Readers:
    """Runs statements on threads, for one event loop.

    Args:
        connect: opens a connection; called on a thread.
        seconds: after which a statement is ended.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], seconds: float) -> None:
        self._connect = connect
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._short = LastingExecutor(SHORT, "alphapulse-read")
        self._long = LastingExecutor(LONG, "alphapulse-read-long")
        self._local = threading.local()

    def shutdown(self) -> None:
        """Accept no more statements, and return once the accepted ones have ended."""
        self._short.shutdown()
        self._long.shutdown()

    async def fetch(self, sql: str, args: Sequence[Any]) -> Sequence[Row]:
        """Run one reading statement.

        Raises:
            Unavailable: if it takes too long, or no thread is free for as long.
        """
        statement = _Statement(sql, args)
        threads = self._long if is_long() else self._short
        try:
            return await self._loop.run_in_executor(threads, self._fetch, statement)
        except asyncio.CancelledError:
            statement.left = True
            raise

    def _fetch(self, statement: _Statement) -> Sequence[Row]:
        now = time.monotonic()
        if now - statement.queued_at > self._seconds:
            raise Unavailable("The database is unavailable: every reader is busy.")
        statement.ends_at = now + self._seconds
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        try:
            if connection is None:
                connection = self._local.connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
            connection.set_progress_handler(statement.is_over, INSTRUCTIONS)
            return fetched(connection.execute(numbered(statement.sql), statement.args))
        except sqlite3.Error as error:
            if statement.is_over():
                raise Unavailable(TOO_LONG.format(self._seconds)) from None
            raise translated(error) from error
