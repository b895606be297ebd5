"""SQLite errors that mean that the database is unavailable, and their reasons."""

from __future__ import annotations

import sqlite3
from typing import Final

from alphapulse_api.domain.errors import Unavailable

# Primary result codes of an unavailable database, as opposed to a fault in our own SQL.
_UNAVAILABLE: Final = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk reports an input/output error",
    sqlite3.SQLITE_BUSY: "the database is locked by another process",
    sqlite3.SQLITE_LOCKED: "the database is locked",
    sqlite3.SQLITE_READONLY: "the database is read-only",
    sqlite3.SQLITE_CANTOPEN: "the database file cannot be opened",
    sqlite3.SQLITE_CORRUPT: "the database file is damaged",
    sqlite3.SQLITE_NOTADB: "the file is not a database",
    sqlite3.SQLITE_PERM: "access to the database file is denied",
}


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 if the driver itself raised the error."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def reason(error: sqlite3.Error) -> str | None:
    """The reason why the database is unavailable; None if our own statement is at fault."""
    return _UNAVAILABLE.get(primary_code(error))


def translated(error: Exception) -> Exception:
    """`Unavailable` for an error of an unavailable database; any other error unchanged."""
    if isinstance(error, sqlite3.Error) and (why := reason(error)):
        return Unavailable(f"The database is unavailable: {why}.")
    return error
