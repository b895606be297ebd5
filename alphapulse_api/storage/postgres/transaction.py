"""Units of work in one PostgreSQL transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.engine.group import Job, Outcome
from alphapulse_api.storage.engine.marks import LITERALS, insert_marks, literal_marks
from alphapulse_api.storage.engine.outbox import insert, literal_insert
from alphapulse_api.storage.postgres.errors import ends_connection, may_run_again

if TYPE_CHECKING:
    from alphapulse_api.domain.marks import Mark
    from alphapulse_api.domain.outbox import OutboxRow


LONGEST_TEXT: Final = 1 << 16  # bytes of a statement without parameters


class PostgresTransaction:
    """The writing connection, as a unit of work uses it."""

    __slots__ = ("_connection", "marks", "newest", "rows", "stored", "wrote")
    takes_arrays = True

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.wrote = False
        self.rows: list[OutboxRow] = []
        self.marks: list[Mark] = []
        self.newest: dict[tuple[str, str, str | None], str] = {}
        self.stored: dict[tuple[str | None, str], dict[str | None, list[str]]] | None = None

    def publish(self, *rows: OutboxRow) -> None:
        self.rows += rows

    def mark(self, *marks: Mark) -> None:
        self.marks += marks

    async def turn(self) -> None:
        await asyncio.sleep(0)

    async def plan_anew(self) -> None:
        await self._connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        rows: Sequence[Row] = await self._connection.fetch(sql, *args)
        if rows and not sql.startswith("SELECT"):
            self.wrote = True
        return rows

    async def execute(self, sql: str, *args: Any) -> int:
        status: str = await self._connection.execute(sql, *args)
        count = int(status.rpartition(" ")[2])  # "UPDATE 3", "INSERT 0 1"
        self.wrote = self.wrote or count > 0
        return count


class UnitFailed(Exception):
    """A unit of work raised without a savepoint: the whole transaction must be rolled back."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


async def run_group(
    connection: Any, transaction: PostgresTransaction, group: Sequence[Job], apart: bool
) -> list[Outcome]:
    """Run the units of work in order. The error of a unit with a savepoint becomes its outcome.

    Raises:
        UnitFailed: if a unit without a savepoint failed.
    """
    outcomes: list[Outcome] = []
    for job in group:
        if apart:
            await connection.execute("SAVEPOINT unit")
        before, marked = len(transaction.rows), len(transaction.marks)
        try:
            value = await job.work(transaction)
        except Exception as error:
            if ends_connection(error) or may_run_again(error):
                raise
            if not apart:
                raise UnitFailed(error) from error
            await connection.execute("ROLLBACK TO SAVEPOINT unit")
            del transaction.rows[before:], transaction.marks[marked:]
            outcomes.append(Outcome(job, None, error))
        else:
            outcomes.append(Outcome(job, value, None))
        if apart:
            await connection.execute("RELEASE SAVEPOINT unit")
    return outcomes


async def undo(connection: Any) -> None:
    """Roll back, or terminate the connection if that fails."""
    try:
        await connection.execute("ROLLBACK")
    except BaseException:
        connection.terminate()
        raise


async def commit(connection: Any, rows: Sequence[OutboxRow], marks: Sequence[Mark]) -> None:
    """Insert the rows into the outbox, and the marks, and commit; usually in one round trip.

    Raises:
        Unavailable: if the server rolled back instead, as after an error that a unit suppressed.
    """
    if sum(len(body) for row in rows for body in row.bodies) > LONGEST_TEXT:
        await insert(PostgresTransaction(connection), rows)
        text = ""
    else:
        text = literal_insert(rows)
    if len(marks) > LITERALS:
        await insert_marks(PostgresTransaction(connection), marks)
    else:
        text += literal_marks(marks)
    if (status := await connection.execute(f"{text}COMMIT")) != "COMMIT":
        raise Unavailable(f"The database is unavailable: the commit ended in {status}.")
