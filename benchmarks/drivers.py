"""The drivers alone, and the recorded statements of an accessor that they run."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg

from alphapulse_api.storage.engine import Engine

Statement = tuple[str, tuple[Any, ...]]
Unit = tuple[bool, list[Statement]]  # whether it writes, and its statements


class Noting:
    """An engine that records every unit of work."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.units: list[Unit] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def fetch(self, sql: str, *args: Any) -> Any:
        self.units.append((False, [(sql, args)]))
        return await self._engine.fetch(sql, *args)

    async def write(self, work: Any) -> Any:
        statements: list[Statement] = []

        class Transaction:
            def __init__(self, transaction: Any) -> None:
                self._transaction = transaction

            def __getattr__(self, name: str) -> Any:
                return getattr(self._transaction, name)

            async def fetch(self, sql: str, *args: Any) -> Any:
                statements.append((sql, args))
                return await self._transaction.fetch(sql, *args)

            async def execute(self, sql: str, *args: Any) -> Any:
                statements.append((sql, args))
                return await self._transaction.execute(sql, *args)

        async def noted(transaction: Any) -> Any:
            return await work(Transaction(transaction))

        self.units.append((True, statements))
        return await self._engine.write(noted)


class SQLiteDriver:
    """sqlite3 alone, in a thread, committing as durably as the engine."""

    def __init__(self, path: Path) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA synchronous = FULL")

    async def run(self, unit: Unit) -> list[Any]:
        """The rows of the last statement."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._run, unit)

    def _run(self, unit: Unit) -> list[Any]:
        writes, statements = unit
        execute = self._connection.execute
        rows: list[Any] = []
        if writes:
            execute("BEGIN IMMEDIATE")
        for sql, args in statements:
            rows = execute(sql, args).fetchall()
        if writes:
            execute("COMMIT")
        return rows

    async def close(self) -> None:
        self._thread.shutdown()
        self._connection.close()


class PostgresDriver:
    """One asyncpg connection."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def run(self, unit: Unit) -> list[Any]:
        """The rows of the last statement."""
        writes, statements = unit
        rows: list[Any] = []
        if writes:
            await self._connection.execute("BEGIN")
        for sql, args in statements:
            rows = await self._connection.fetch(sql, *args)
        if writes:
            await self._connection.execute("COMMIT")
        return rows

    async def close(self) -> None:
        await self._connection.close()
