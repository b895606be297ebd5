"""The drivers alone, filling the table of points: what entry `ingest` compares the feed with."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from alphapulse_api.storage.postgres.connection import prepare


@asynccontextmanager
async def _sqlite(place: str) -> Any:
    connection = sqlite3.connect(place, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")

    async def store(batch: Sequence[Any]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO metric_points VALUES (?, ?, ?)", batch)
        connection.execute("COMMIT")

    yield store
    connection.close()


@asynccontextmanager
async def _postgres(place: str) -> Any:
    connection = await asyncpg.connect(place)
    await prepare(connection)

    async def store(batch: Sequence[Any]) -> None:
        await connection.copy_records_to_table("metric_points", records=batch)

    yield store
    await connection.close()


DRIVERS = {"SQLite": _sqlite, "PostgreSQL": _postgres}
