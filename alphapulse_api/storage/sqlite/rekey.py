"""Gives a table of an SQLite file another primary key: SQLite can only make the table anew."""

from __future__ import annotations

import sqlite3

from alphapulse_api.storage.rekeyed import Rekeyed


def rekey(connection: sqlite3.Connection, rekeyed: Rekeyed) -> None:
    """Make the table anew, with its rows in their order, in the transaction under way."""
    table = rekeyed.table
    anew = f"{table}_anew"
    names = _make(connection, rekeyed, anew)
    connection.execute(f"INSERT INTO {anew} ({names}) SELECT {names} FROM {table}")
    connection.execute(f"DROP TABLE {table}")
    connection.execute(f"ALTER TABLE {anew} RENAME TO {table}")
    for index, definition in rekeyed.indexes.items():
        connection.execute(f"CREATE INDEX {index} ON {table} {definition}")


def _make(connection: sqlite3.Connection, rekeyed: Rekeyed, anew: str) -> str:
    """Create an empty table with the new key; returns the names of its columns."""
    table, key = rekeyed.table, rekeyed.key
    (sql,) = connection.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)
    ).fetchone()
    columns = {}
    for _, name, kind, filled, default, _ in connection.execute(f"PRAGMA table_info({table})"):
        needed = " NOT NULL" if filled or name in key else ""
        columns[name] = f"{name} {kind}{needed}" + (f" DEFAULT {default}" if default else "")
    names = [*key, *(name for name in columns if name not in key)]
    parts = [*(columns[name] for name in names), f"PRIMARY KEY ({', '.join(key)})"]
    for _, _, other, ours, theirs, *_ in connection.execute(f"PRAGMA foreign_key_list({table})"):
        parts.append(f"FOREIGN KEY ({ours}) REFERENCES {other} ({theirs})")
    ending = "WITHOUT ROWID" if sql.rstrip().endswith("WITHOUT ROWID") else ""
    connection.execute(f"CREATE TABLE {anew} ({', '.join(parts)}) {ending}")
    return ", ".join(names)
