"""Writes in one SQLite transaction, each run to its end on the writer's thread."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Awaitable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from alphapulse_api.storage.engine.base import Row

if TYPE_CHECKING:
    from alphapulse_api.domain.outbox import OutboxRow

T = TypeVar("T")


@lru_cache(maxsize=1024)
def numbered(sql: str) -> str:
    """`$1` parameters in SQLite's own spelling, `?1`."""
    return re.sub(r"\$(\d+)", r"?\1", sql)


class SQLiteTransaction:
    """The writer's connection, seen by one unit of work. Nothing here ever suspends."""

    __slots__ = ("_connection", "newest", "rows")
    takes_arrays = False

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.rows: list[OutboxRow] = []
        self.newest: dict[tuple[str, str | None], str] = {}

    def publish(self, *rows: OutboxRow) -> None:
        self.rows += rows

    async def turn(self) -> None:
        """Nothing: this is a thread of its own."""

    async def plan_anew(self) -> None:
        """Do nothing: plans do not depend on the size of tables."""

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        return self._connection.execute(numbered(sql), args).fetchall()

    async def execute(self, sql: str, *args: Any) -> int:
        return self._connection.execute(numbered(sql), args).rowcount


def run(work: Awaitable[T]) -> T:
    """Drive a coroutine that never suspends to its end, here and now."""
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as stop:
        return cast(T, stop.value)
    steps.close()
    raise RuntimeError("a unit of work may await only its transaction")
