"""Gives a table of a PostgreSQL database another primary key, in place."""

from __future__ import annotations

import asyncpg

from alphapulse_api.storage.rekeyed import Rekeyed


async def rekey(connection: asyncpg.Connection, rekeyed: Rekeyed) -> None:
    """Build the indexes and change the key, in the transaction under way."""
    table, key = rekeyed.table, rekeyed.key_name
    await connection.execute(f"CREATE UNIQUE INDEX {key} ON {table} ({', '.join(rekeyed.key)})")
    for index, definition in rekeyed.indexes.items():
        await connection.execute(f"CREATE INDEX {index} ON {table} {definition}")
    for index in rekeyed.replaced:
        await connection.execute(f"DROP INDEX {index}")
    old = await connection.fetchval(
        "SELECT conname::text FROM pg_constraint "
        "WHERE conrelid = CAST($1 AS text)::regclass AND contype = 'p'",
        table,
    )
    await connection.execute(
        f'ALTER TABLE {table} DROP CONSTRAINT "{old}", '
        f"ADD CONSTRAINT {key} PRIMARY KEY USING INDEX {key}"
    )
