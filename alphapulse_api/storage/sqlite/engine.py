"""SQLite with a write-ahead log: one writer thread with group commit, and a few reader threads.

The writer takes all queued units of work, runs each in a savepoint unless it is alone, commits
once and answers all callers. `synchronous=FULL` makes the commit survive a power cut, not only a
kill -9.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from alphapulse_api.domain.errors import StartupError, Unavailable
from alphapulse_api.domain.marks import Mark, earliest
from alphapulse_api.domain.outbox import OutboxRow
from alphapulse_api.runtime.supervisor import consume_exception
from alphapulse_api.storage.engine.base import Row, Transaction
from alphapulse_api.storage.engine.group import GroupingEngine, Job, Outcome
from alphapulse_api.storage.engine.marks import insert_marks
from alphapulse_api.storage.engine.outbox import insert, joined
from alphapulse_api.storage.rekeyed import Rekeyed
from alphapulse_api.storage.sqlite import space
from alphapulse_api.storage.sqlite.commit_watch import CommitWatch
from alphapulse_api.storage.sqlite.dialect import Dialect
from alphapulse_api.storage.sqlite.errors import primary_code, reason, translated
from alphapulse_api.storage.sqlite.files import refuse_network
from alphapulse_api.storage.sqlite.readers import Readers
from alphapulse_api.storage.sqlite.rekey import rekey_in_steps
from alphapulse_api.storage.sqlite.schema import claim, migrate
from alphapulse_api.storage.sqlite.transaction import SQLiteTransaction, run, run_group
from alphapulse_api.storage.steps import Steps

BUSY_SECONDS: Final = 5.0
# The page cache of a connection; the system's page cache holds the rest. 16 MiB saved no measurable
# CPU time, and its pages fragmented the heap.
CACHE_KIB: Final = 2048
OLDEST_SQLITE: Final = (3, 35, 0)  # RETURNING


class SQLiteEngine(Dialect, GroupingEngine):
    """One SQLite file, opened for one event loop.

    Args:
        path: the database file; created if it does not exist.
        network_file: whether the file may be on a network file system.
        statement_timeout: seconds after which a reading statement is ended.
    """

    takes_arrays = False

    def __init__(
        self, path: str, *, network_file: bool = False, statement_timeout: float = 10.0
    ) -> None:
        super().__init__()
        self._statement_timeout = statement_timeout
        self._network_file = network_file
        self._on_other_commit: Callable[[], None] | None = None
        self._watch: CommitWatch | None = None
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._path = Path(path).absolute()  # the host may change the working directory later
        self._connections: list[sqlite3.Connection] = []
        self._file: tuple[int, int] | None = None
        self._readers: Readers | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._log_is_done = False  # the writer is to truncate the log

    @property
    def location(self) -> str:
        return str(self._path)

    @property
    def path(self) -> Path:
        """The database file."""
        return self._path

    def watch(self, callback: Callable[[], None]) -> None:
        """Set a callback, run on the loop, for commits of other connections to the file.

        The engine checks four times a second. Call it before `open`.
        """
        self._on_other_commit = callback

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        preparing = asyncio.ensure_future(asyncio.to_thread(self._prepare))
        try:
            connection = await asyncio.shield(preparing)
        except asyncio.CancelledError:
            await asyncio.wait({preparing})
            consume_exception(preparing)
            self._disconnect()
            raise
        self._readers = Readers(self._connect, self._statement_timeout)
        self._writer = threading.Thread(
            target=self._write_forever, args=(connection,), name="alphapulse-write", daemon=True
        )
        self._writer.start()

    async def close(self) -> None:
        # Refuse further writes, instead of queueing them behind the end marker.
        writer, self._writer = self._writer, None
        if writer is not None:
            self._jobs.put(None)
            await asyncio.to_thread(writer.join)
        self._stop_looking()
        readers, self._readers = self._readers, None
        if readers is not None:
            await asyncio.to_thread(readers.shutdown)
        self._disconnect()

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        if self._readers is None:
            raise Unavailable("The database is closed.")
        return await self._readers.fetch(sql, args)

    async def reclaim(self, transaction: Transaction, size: int) -> int:
        return await space.reclaim(transaction, size)

    async def rekey(self, rekeyed: Rekeyed) -> None:
        await rekey_in_steps(self, rekeyed, Steps(self))

    async def truncate_log(self) -> None:
        # A reader copies most of it, while others read and write; the writer copies the rest.
        await self.fetch("PRAGMA wal_checkpoint(PASSIVE)")
        self._log_is_done = True
        await self.write(_nothing)

    @property
    def history(self) -> str | None:
        return None

    async def check_history(self) -> None:
        """Do nothing: an SQLite file has one history."""

    def on_new_history(self, callback: Callable[[], None]) -> None:
        """Nothing: there is one history."""

    # -- threads ---------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        """Connect to an existing file; a deleted one must not be recreated empty."""
        connection = sqlite3.connect(
            f"{self._path.as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        self._connections.append(connection)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        return connection

    def _disconnect(self) -> None:
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def _prepare(self) -> sqlite3.Connection:
        """Open the writer's connection, and claim and migrate the file."""
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise StartupError(
                f"SQLite {sqlite3.sqlite_version} is too old: 3.35 or newer is needed"
            )
        if not self._network_file:
            refuse_network(self._path)
        with suppress(OSError):  # if creation fails, SQLite reports the reason
            # The file holds password hashes. SQLite gives its -wal and -shm files the same mode.
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL, 0o600))
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                return self._set_up()
            except sqlite3.Error as error:
                self._disconnect()
                # Entering WAL mode while another process does so fails with "busy" at once.
                if primary_code(error) == sqlite3.SQLITE_BUSY and time.monotonic() < deadline:
                    time.sleep(0.01)
                    continue
                raise StartupError(
                    f"database.url: cannot use {self.location}: {reason(error) or error}"
                ) from None
            except StartupError:
                self._disconnect()
                raise

    def _set_up(self) -> sqlite3.Connection:
        """Set up the writer's connection; every step is idempotent."""
        connection = self._connect()
        space.set_up_new(connection)
        claim(connection, self.location)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        space.set_up(connection)
        migrate(connection, self.location)
        if (callback := self._on_other_commit) is not None:
            assert self._loop is not None
            # Watch before anything is read, so that no commit after the first read is missed.
            self._watch = CommitWatch(
                connection, partial(self._loop.call_soon_threadsafe, callback)
            )
        self._file = self._identity()
        return connection

    def _identity(self) -> tuple[int, int] | None:
        """Device and inode of the file at the path; None if there is none."""
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _write_forever(self, connection: sqlite3.Connection) -> None:
        assert self._loop is not None
        watch = self._watch
        closing = False
        while not closing:
            group: list[Job] = []
            with suppress(queue.Empty):
                timeout = None if watch is None else watch.seconds_left
                group, closing = self._group(self._jobs.get(timeout=timeout))
            if group:
                self._under_way_since = time.monotonic()
                answer = self._commit(connection, group)
                if self._log_is_done:
                    self._log_is_done = False
                    space.truncate_log(connection, BUSY_SECONDS)
                self._under_way_since = None
                self._loop.call_soon_threadsafe(self._answer, *answer)
            if watch is not None:
                watch.look_if_due()

    def _commit(
        self, connection: sqlite3.Connection, group: list[Job]
    ) -> tuple[list[Outcome], Sequence[OutboxRow], bool]:
        transaction = SQLiteTransaction(connection)
        rows: Sequence[OutboxRow] = ()
        marks: Sequence[Mark] = ()
        changes, began = connection.total_changes, False
        try:
            if self._identity() != self._file:
                # Writes to a deleted file succeed, but nobody could open it again.
                raise Unavailable("The database file was moved or deleted.")
            connection.execute("BEGIN IMMEDIATE")
            began = True
            outcomes = run_group(connection, transaction, group)
            if connection.in_transaction:  # a lone unit that failed has ended it
                rows, marks = joined(transaction.rows), earliest(transaction.marks)
                run(insert(transaction, rows))
                run(insert_marks(transaction, marks))
                connection.execute("COMMIT")
        except Exception as error:
            if connection.in_transaction:
                # If the rollback fails, the next group's BEGIN fails and rolls back again.
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            failure = translated(error)
            if not isinstance(failure, Unavailable):
                failure = Unavailable(f"The database is unavailable: {error}.")
            if began:
                self._trouble = failure.detail
            return [Outcome(job, None, failure) for job in group], (), False
        refused = [o.error.detail for o in outcomes if isinstance(o.error, Unavailable)]
        if refused:
            self._trouble = refused[-1]
        elif connection.total_changes != changes:
            self._trouble = None
        return outcomes, rows, bool(marks)


async def _nothing(_: Transaction) -> None:
    """A unit of work that only reaches the writer."""
