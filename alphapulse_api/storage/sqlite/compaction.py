"""Rewrites an SQLite file without its free pages, while no process has it open.

The rows are copied into a second file, which then replaces the first one in one step. Until then
the first one is unchanged, so an attempt that is interrupted, even by kill -9, can be repeated.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from alphapulse_api.domain.errors import StartupError
from alphapulse_api.storage.sqlite import space
from alphapulse_api.storage.sqlite.errors import reason
from alphapulse_api.storage.sqlite.schema import APPLICATION_ID

BUSY_SECONDS: Final = 1.0  # for a connection that another process is closing
MARGIN: Final = 1.05  # of the expected size: pages of the copy may be filled differently
HEADER_BYTES: Final = 100
MIB: Final = 2**20


class Sizes(NamedTuple):
    """The size of the file, before and afterwards, in bytes."""

    before: int
    after: int


class Compaction:
    """One compaction of a file. The caller holds its server lock.

    Args:
        path: the database file.

    Attributes:
        expected: the expected size of the copy in bytes; 0 until `run` has begun to copy.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()  # not a link to it
        self._copy = self._path.with_name(f"{self._path.name}.compact")
        self._connection: sqlite3.Connection | None = None
        self.expected = 0

    def __repr__(self) -> str:
        return f"<Compaction {self._path} {self.share:.0%}>"

    @property
    def share(self) -> float:
        """The share of the copy that is written, from 0 to 1."""
        try:
            written = self._copy.stat().st_size
        except OSError:
            return 0.0
        return min(1.0, written / self.expected) if self.expected else 0.0

    def interrupt(self) -> None:
        """Make `run`, on another thread, end soon; the file stays as it was."""
        if self._connection is not None:
            self._connection.interrupt()

    def run(self) -> Sizes:
        """Compact the file; returns its sizes.

        Raises:
            StartupError: if another process has it open, it is not a file of ours, its rows are not
                all migrated, the disk has too little space, or the file cannot be read.
        """
        self._copy.unlink(missing_ok=True)  # of an attempt that was interrupted
        try:
            with closing(self._connect()) as self._connection:
                self._check(self._connection)
                return self._replace(self._connection)
        except sqlite3.Error as error:
            raise StartupError(
                f"cannot compact {self._path}: {reason(error) or error}; it is unchanged"
            ) from None
        except OSError as error:
            raise StartupError(f"cannot compact {self._path}: {error}; it is unchanged") from None
        finally:
            self._connection = None
            self._copy.unlink(missing_ok=True)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self._path.as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )

    def _check(self, connection: sqlite3.Connection) -> None:
        (owner,) = connection.execute("PRAGMA application_id").fetchone()
        if owner != APPLICATION_ID:
            raise StartupError(f"database.url: {self._path} is not a database of alphapulse_api")
        tables = "SELECT 1 FROM sqlite_master WHERE name = 'backfills'"
        if connection.execute(tables).fetchone() is not None:
            # Their positions are rowids, and a copy has others.
            (left,) = connection.execute("SELECT count(*) FROM backfills").fetchone()
            if left:
                raise StartupError(
                    f"rows of {self._path} are not migrated yet; run `alphapulse-api migrate` first"
                )

    def _replace(self, connection: sqlite3.Connection) -> Sizes:
        self._take_alone(connection)
        before = self._path.stat().st_size
        numbers = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        }
        used = numbers["page_count"] - numbers["freelist_count"]
        expected = used * numbers["page_size"]
        needed, free = int(expected * MARGIN), shutil.disk_usage(self._path.parent).free
        if free < needed:
            raise StartupError(
                f"compacting {self._path} takes up to {needed // MIB + 1} MiB of free space in "
                f"{self._path.parent}, which has {free // MIB} MiB"
            )
        self.expected = expected
        os.close(os.open(self._copy, os.O_CREAT | os.O_EXCL, 0o600))
        space.set_up_new(connection)  # a file from before it returned its free pages
        connection.execute("VACUUM INTO ?", (str(self._copy),))
        self._copy_rights()
        with open(self._copy, "r+b") as copy:
            os.fsync(copy.fileno())
        after = self._copy.stat().st_size
        self._swap()
        return Sizes(before, after)

    def _take_alone(self, connection: sqlite3.Connection) -> None:
        """Let nobody else use the file. This also ends its write-ahead log."""
        try:
            # Refused if another connection exists, even one that does nothing.
            connection.execute("PRAGMA journal_mode = DELETE").fetchone()
            connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchone()
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")  # the lock stays
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            raise StartupError(
                f"another process has {self._path} open; stop it, then compact the file"
            ) from None

    def _copy_rights(self) -> None:
        status = self._path.stat()
        if os.name != "nt":
            os.chown(self._copy, status.st_uid, status.st_gid)
        self._copy.chmod(stat.S_IMODE(status.st_mode))

    def _swap(self) -> None:
        """Replace the file by its copy; both are closed or locked."""
        if os.name == "nt":  # an open file cannot be replaced there
            assert self._connection is not None
            self._connection.close()
            os.replace(self._copy, self._path)
            return
        with open(self._path, "r+b") as old:
            os.replace(self._copy, self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            # A process that opened the old file before, and waits for the lock, must not write to
            # it: it no longer has a name.
            old.write(b"\0" * HEADER_BYTES)
