"""The schema of an SQLite file: ownership, column types, migrations."""

from __future__ import annotations

import sqlite3
from typing import Final

from alphapulse_api.domain.errors import StartupError
from alphapulse_api.storage.schema_versions import migrations, unseen
from alphapulse_api.storage.sqlite.append_only import guards
from alphapulse_api.storage.sqlite.rekey import rekey, restart
from alphapulse_api.storage.sqlite.transaction import SQLiteTransaction, run

APPLICATION_ID: Final = 0x41504C53  # "APLS": distinguishes our files from other SQLite files

COLUMN_TYPES: Final = {
    "serial": "INTEGER PRIMARY KEY",
    "integer": "INTEGER",
    "text": "TEXT",
    "time": "INTEGER",
    "float": "REAL",
    "decimal": "TEXT",
    "json": "TEXT",
    "boolean": "INTEGER",
    "bytes": "BLOB",
    "clustered": "WITHOUT ROWID",
    "random": "random()",
}


def claim(connection: sqlite3.Connection, location: str) -> None:
    """Mark a new file as ours.

    Raises:
        StartupError: if it is another program's database.
    """
    # One snapshot, because another process may claim the same new file.
    connection.execute("BEGIN")
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    connection.execute("COMMIT")
    if owner == APPLICATION_ID:
        return
    if owner or tables:
        raise StartupError(
            f"database.url: {location} belongs to another program; name another file"
        )
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def migrate(connection: sqlite3.Connection, location: str) -> None:
    """Run the pending migrations.

    Raises:
        StartupError: if a newer release has migrated the file.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        steps = unseen(migrations(COLUMN_TYPES), version, location)
        if steps:
            restart(connection)
        for step in steps:
            for statement in step.statements:
                connection.execute(statement)
            if step.work is not None:
                run(step.work(SQLiteTransaction(connection)))
            for rekeyed in step.rekeyed:
                rekey(connection, rekeyed)
            for kept in step.append_only:
                for statement in guards(kept):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {step.version}")
        connection.execute("COMMIT")
    except (sqlite3.Error, StartupError):
        connection.execute("ROLLBACK")
        raise
