"""Gives a table of an SQLite file another primary key, which needs a new table in SQLite.

A small table is replaced at the start, in the transaction of the migration. The rows of a large one
are copied into a new table in steps. Meanwhile the old table is in use, and triggers repeat each of
its changes in the new one, whichever process writes. The last step swaps the tables. Then the rows
of the old one are deleted in steps, because dropping it at once would block all writes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from alphapulse_api.storage.backfill_rows import advance, finish, position_of
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.rekeyed import AT_ONCE, REKEYED, Rekeyed
from alphapulse_api.storage.sqlite.transaction import SQLiteTransaction, run
from alphapulse_api.storage.steps import Steps

ROW_BYTES: Final = 512  # of a row with its entries in indexes, about
COUNTED: Final = 1_000_000  # rows at most; some 20 ms
_ADDED, _CHANGED, _REMOVED = "_added", "_changed", "_removed"  # triggers, after the table's name


def rekey(connection: sqlite3.Connection, rekeyed: Rekeyed) -> None:
    """Change the key of a small table now, in the transaction under way; of a large one later."""
    table = rekeyed.table
    more = f"SELECT 1 FROM {table} LIMIT 1 OFFSET {AT_ONCE}"
    if connection.execute(more).fetchone():
        connection.execute("INSERT INTO backfills (name) VALUES (?)", (table,))
        return
    run(_move_at_once(SQLiteTransaction(connection), rekeyed))


def restart(connection: sqlite3.Connection) -> None:
    """Restart copies that are in progress, because a migration may change their tables."""
    transaction = SQLiteTransaction(connection)
    for rekeyed in (each for step in REKEYED.values() for each in step):
        if run(_columns(transaction, f"{rekeyed.table}_anew")):
            run(_drop_triggers(transaction, rekeyed))
            connection.execute(f"DROP TABLE {rekeyed.table}_anew")
            connection.execute(
                "UPDATE backfills SET position = '', done = 0, total = 0 WHERE name = ?",
                (rekeyed.table,),
            )


async def rekey_in_steps(engine: Engine, rekeyed: Rekeyed, steps: Steps) -> None:
    """Change the key of a large table while others read and write."""
    table = rekeyed.table
    rows = await _about(engine, rekeyed)

    async def step(transaction: Transaction) -> bool:
        position = await position_of(transaction, engine, table)
        if position is None:
            return False
        limit = max(1, steps.size // ROW_BYTES)
        if await _columns(transaction, f"{table}_old"):
            await _delete_old(transaction, rekeyed, limit)
            return True
        if not position:
            await _make(transaction, rekeyed)
            await _repeat_changes(transaction, rekeyed)
            await transaction.execute(
                "UPDATE backfills SET total = $2 WHERE name = $1", table, 2 * rows
            )
        await _copy(transaction, rekeyed, position, limit)
        return True

    while await steps.run(step, steps.size):
        pass


async def _about(engine: Engine, rekeyed: Rekeyed) -> int:
    """The approximate number of rows of a table; counting many would take long."""
    number = f"SELECT max(rowid) FROM {rekeyed.table}"
    if not rekeyed.has_rowid:
        number = f"SELECT count(*) FROM (SELECT 1 FROM {rekeyed.table} LIMIT {COUNTED}) some"
    ((rows,),) = await engine.fetch(number)
    return int(rows or 0)


async def _move_at_once(transaction: Transaction, rekeyed: Rekeyed) -> None:
    table = rekeyed.table
    await _make(transaction, rekeyed)
    names = ", ".join(await _columns(transaction, table))
    await transaction.execute(f"INSERT INTO {table}_anew ({names}) SELECT {names} FROM {table}")
    await transaction.execute(f"DROP TABLE {table}")
    await transaction.execute(f"ALTER TABLE {table}_anew RENAME TO {table}")


async def _make(transaction: Transaction, rekeyed: Rekeyed) -> None:
    """Create an empty table with the new key and its indexes.

    It has the columns, defaults and foreign keys of the old table, including columns that
    migrations have added.
    """
    table, key = rekeyed.table, rekeyed.key
    columns = {}
    for _, name, kind, filled, default, _ in await transaction.fetch(f"PRAGMA table_info({table})"):
        needed = " NOT NULL" if filled or name in key else ""
        columns[name] = f"{name} {kind}{needed}" + (f" DEFAULT {default}" if default else "")
    names = [*key, *(name for name in columns if name not in key)]
    parts = [*(columns[name] for name in names), f"PRIMARY KEY ({', '.join(key)})"]
    for _, _, other, ours, theirs, *_ in await transaction.fetch(
        f"PRAGMA foreign_key_list({table})"
    ):
        parts.append(f"FOREIGN KEY ({ours}) REFERENCES {other} ({theirs})")
    ending = "" if rekeyed.has_rowid else "WITHOUT ROWID"
    await transaction.execute(f"CREATE TABLE {table}_anew ({', '.join(parts)}) {ending}")
    for index, definition in rekeyed.indexes.items():
        await transaction.execute(f"CREATE INDEX {index} ON {table}_anew {definition}")


async def _repeat_changes(transaction: Transaction, rekeyed: Rekeyed) -> None:
    """Create the triggers."""
    table = rekeyed.table
    names = await _columns(transaction, table)
    if rekeyed.has_rowid:
        names = ["rowid", *names]
    put = (
        f"INSERT OR REPLACE INTO {table}_anew ({', '.join(names)}) "
        f"VALUES ({', '.join(f'NEW.{name}' for name in names)})"
    )
    same = " AND ".join(f"{name} = OLD.{name}" for name in rekeyed.key)
    for suffix, event, change in (
        (_ADDED, "INSERT", put),
        (_CHANGED, "UPDATE", put),
        (_REMOVED, "DELETE", f"DELETE FROM {table}_anew WHERE {same}"),
    ):
        await transaction.execute(
            f"CREATE TRIGGER {table}{suffix} AFTER {event} ON {table} BEGIN {change}; END"
        )


async def _drop_triggers(transaction: Transaction, rekeyed: Rekeyed) -> None:
    for suffix in (_ADDED, _CHANGED, _REMOVED):
        await transaction.execute(f"DROP TRIGGER {rekeyed.table}{suffix}")


async def _copy(transaction: Transaction, rekeyed: Rekeyed, position: str, limit: int) -> None:
    """Copy the next rows, and swap the tables after the last one."""
    table = rekeyed.table
    # By rowid, which is kept, so that rows that were stored together stay together.
    order = ["rowid"] if rekeyed.has_rowid else await _key(transaction, table)
    key = ", ".join(order)
    after, args = "", json.loads(position) if position else []
    if args:
        after = f"WHERE ({key}) > ({_marks(1, len(order))})"
    rows = await transaction.fetch(
        f"SELECT {key} FROM {table} {after} ORDER BY {key} LIMIT ${len(args) + 1}", *args, limit
    )
    if rows:
        last = f"({key}) <= ({_marks(len(args) + 1, len(order))})"
        names = await _columns(transaction, table)
        into = ", ".join(["rowid", *names] if rekeyed.has_rowid else names)
        # The triggers have already copied a row that changed meanwhile.
        await transaction.execute(
            f"INSERT INTO {table}_anew ({into}) SELECT {into} FROM {table} "
            f"{after or 'WHERE 1 = 1'} AND {last} ORDER BY {key} ON CONFLICT DO NOTHING",
            *args,
            *rows[-1],
        )
        await advance(transaction, table, json.dumps(rows[-1]), len(rows))
    if len(rows) < limit:
        await _drop_triggers(transaction, rekeyed)
        await transaction.execute(f"ALTER TABLE {table} RENAME TO {table}_old")
        await transaction.execute(f"ALTER TABLE {table}_anew RENAME TO {table}")


async def _delete_old(transaction: Transaction, rekeyed: Rekeyed, limit: int) -> None:
    """Delete rows of the old table, and the table after the last one."""
    old = f"{rekeyed.table}_old"
    key = "rowid" if rekeyed.has_rowid else ", ".join(await _key(transaction, old))
    deleted = await transaction.execute(
        f"DELETE FROM {old} WHERE ({key}) IN (SELECT {key} FROM {old} ORDER BY {key} LIMIT $1)",
        limit,
    )
    await advance(transaction, rekeyed.table, "old", deleted)
    if deleted < limit:
        await transaction.execute(f"DROP TABLE {old}")
        await finish(transaction, rekeyed.table)


async def _columns(transaction: Transaction, table: str) -> list[str]:
    """The names of a table's columns; none if there is no such table."""
    return [row[1] for row in await transaction.fetch(f"PRAGMA table_info({table})")]


async def _key(transaction: Transaction, table: str) -> list[str]:
    """The columns of a table's primary key."""
    rows: Sequence[Sequence[int | str]] = await transaction.fetch(f"PRAGMA table_info({table})")
    return [str(row[1]) for row in sorted(rows, key=lambda row: row[5]) if row[5]]


def _marks(first: int, count: int) -> str:
    return ", ".join(f"${number}" for number in range(first, first + count))
