"""Returns the space of an SQLite file and its write-ahead log to the file system."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import Final

from alphapulse_api.storage.engine.base import Transaction

# SQLite truncates the log to this size when it restarts the log from the beginning.
LOG_BYTES: Final = 8 * 2**20
KEPT_FREE: Final = 0.05  # of the file: free pages for new rows
INCREMENTAL: Final = 2


def set_up_new(connection: sqlite3.Connection) -> None:
    """Let a new file return free pages; does nothing to a file that has tables."""
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")


def set_up(connection: sqlite3.Connection) -> None:
    """Bound the log that this connection writes."""
    connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
    # Debian's SQLite would overwrite each free page with zeros: all that is deleted would go
    # through the log. FAST overwrites only in pages that are written anyway.
    connection.execute("PRAGMA secure_delete = FAST")


async def reclaim(transaction: Transaction, size: int) -> int:
    """Return about `size` bytes of free pages to the file system.

    Returns:
        The number of bytes by which the file will shrink; 0 if no more than `KEPT_FREE` of it is
        free, or if it was made before files returned their free pages.
    """
    numbers = {}
    for name in ("auto_vacuum", "page_size", "page_count", "freelist_count"):
        ((numbers[name],),) = await transaction.fetch(f"PRAGMA {name}")
    if numbers["auto_vacuum"] != INCREMENTAL:
        return 0
    spare = numbers["freelist_count"] - int(numbers["page_count"] * KEPT_FREE)
    pages = min(spare, max(1, size // numbers["page_size"]))
    if pages <= 0:
        return 0
    for _ in range(pages):
        # Python's driver steps the pragma only once, so it frees one page whatever number it names.
        await transaction.fetch("PRAGMA incremental_vacuum(1)")
    ((left,),) = await transaction.fetch("PRAGMA freelist_count")
    return int((numbers["freelist_count"] - left) * numbers["page_size"])


def truncate_log(connection: sqlite3.Connection, busy_seconds: float) -> None:
    """Truncate the log, unless somebody is reading from it; waits for nobody.

    Args:
        connection: the writer's, outside of a transaction.
        busy_seconds: for how long the connection usually waits.
    """
    with suppress(sqlite3.Error):  # the next commit reports a disk that fails
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.execute(f"PRAGMA busy_timeout = {int(1000 * busy_seconds)}")
