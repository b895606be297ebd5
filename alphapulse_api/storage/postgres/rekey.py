"""Gives a table of a PostgreSQL database another primary key, in place.

The indexes of a small table are built at the start, in the transaction of the migration. Those of a
large one are built concurrently, while others read and write; then the key adopts its index in one
short transaction. The progress is read from the catalog, so nothing else has to be stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg

from alphapulse_api.storage.backfill_rows import advance, finish
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.rekeyed import AT_ONCE, Rekeyed

WAIT_SECONDS: Final = 5.0  # between two checks whether another process still builds
# An ALTER TABLE that waits for a long read blocks all later statements on the table.
LOCK_TIMEOUT: Final = "200ms"
LOCK_AGAIN_SECONDS: Final = 1.0
_LOCK: Final = 0x41504C52  # "APLR": held by the process that builds

Connect = Callable[[], Awaitable[asyncpg.Connection]]


async def rekey(connection: asyncpg.Connection, rekeyed: Rekeyed) -> None:
    """Change the key of a small table now, in the transaction under way; of a large one later."""
    table = rekeyed.table
    if await connection.fetch(f"SELECT 1 FROM {table} LIMIT 1 OFFSET {AT_ONCE}"):
        await connection.execute("INSERT INTO backfills (name) VALUES ($1)", table)
        return
    for index, definition in _indexes(rekeyed).items():
        await connection.execute(definition.format(index=index, concurrently=""))
    await _adopt(connection, rekeyed)
    for index in rekeyed.replaced:
        await connection.execute(f"DROP INDEX {index}")


async def rekey_concurrently(engine: Engine, connect: Connect, rekeyed: Rekeyed) -> None:
    """Change the key of a large table while others read and write.

    Args:
        connect: opens a connection whose statements may take any time.
    """
    holder = await connect()
    try:
        while True:
            # Tried without waiting, because a waiting statement would block the build itself.
            async with holder.transaction():
                ((held,),) = await holder.fetch(f"SELECT pg_try_advisory_xact_lock({_LOCK})")
                if held:
                    # This ends the snapshot of the first statement, for which builds would wait.
                    await holder.execute("SELECT 1")
                    builder = await connect()
                    try:
                        await _build(engine, builder, rekeyed)
                    finally:
                        builder.terminate()
                    return
            await asyncio.sleep(WAIT_SECONDS)
    finally:
        holder.terminate()


async def _build(engine: Engine, connection: asyncpg.Connection, rekeyed: Rekeyed) -> None:
    table = rekeyed.table
    if not await connection.fetch("SELECT 1 FROM backfills WHERE name = $1", table):
        return  # another process has finished it
    indexes = _indexes(rekeyed)
    total = len(indexes) + len(rekeyed.replaced) + 1

    async def begin(transaction: Transaction) -> None:
        await transaction.execute(
            "UPDATE backfills SET done = 0, total = $2 WHERE name = $1", table, total
        )

    async def done(transaction: Transaction) -> None:
        await advance(transaction, table, "", 1)

    await engine.write(begin)
    # Without statistics of a new column, the planner would take it for a selective one.
    await connection.execute(f"ANALYZE {table}")
    for index, definition in indexes.items():
        valid = await connection.fetchval(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)", index
        )
        if valid is False:  # its build was interrupted
            await connection.execute(f"DROP INDEX CONCURRENTLY {index}")
        if not valid:
            await connection.execute(definition.format(index=index, concurrently="CONCURRENTLY"))
        await engine.write(done)
    while await _key_name(connection, table) != rekeyed.key_name:
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                await _adopt(connection, rekeyed)
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(LOCK_AGAIN_SECONDS)
    await engine.write(done)
    for index in rekeyed.replaced:
        await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
        await engine.write(done)
    await engine.write(lambda transaction: finish(transaction, table))


def _indexes(rekeyed: Rekeyed) -> dict[str, str]:
    """The statements that create the indexes, by name; that of the key is the first."""
    create = f"{{concurrently}} {{index}} ON {rekeyed.table}"
    statements = {rekeyed.key_name: f"CREATE UNIQUE INDEX {create} ({', '.join(rekeyed.key)})"}
    for index, definition in rekeyed.indexes.items():
        statements[index] = f"CREATE INDEX {create} {definition}"
    return statements


async def _adopt(connection: asyncpg.Connection, rekeyed: Rekeyed) -> None:
    """Make the index of the key the primary key, in the transaction under way."""
    old = await _key_name(connection, rekeyed.table)
    await connection.execute(
        f'ALTER TABLE {rekeyed.table} DROP CONSTRAINT "{old}", '
        f"ADD CONSTRAINT {rekeyed.key_name} PRIMARY KEY USING INDEX {rekeyed.key_name}"
    )


async def _key_name(connection: asyncpg.Connection, table: str) -> str:
    name: str = await connection.fetchval(
        "SELECT conname::text FROM pg_constraint "
        "WHERE conrelid = CAST($1 AS text)::regclass AND contype = 'p'",
        table,
    )
    return name
