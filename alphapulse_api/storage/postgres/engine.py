"""PostgreSQL: a pool of reading connections, and one writing connection with group commit.

The writer runs all queued units of work in one transaction and answers their callers after the
COMMIT. If a unit fails, the group runs again with a savepoint for each unit, so that only that unit
fails. A group without failures needs no savepoints.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import asyncpg

from alphapulse_api.domain.errors import StartupError, Unavailable
from alphapulse_api.domain.marks import Mark, earliest
from alphapulse_api.domain.outbox import OutboxRow
from alphapulse_api.storage.engine.base import Row, Work
from alphapulse_api.storage.engine.breaker import Breaker
from alphapulse_api.storage.engine.group import GroupingEngine, Job, Outcome
from alphapulse_api.storage.engine.long_reads import TOO_LONG
from alphapulse_api.storage.engine.outbox import joined
from alphapulse_api.storage.postgres.connection import (
    FAULTS,
    GRACE_SECONDS,
    Address,
    history,
    part,
    prepare,
)
from alphapulse_api.storage.postgres.dialect import Dialect
from alphapulse_api.storage.postgres.errors import (
    ends_connection,
    may_run_again,
    only_writes_find,
    translated,
)
from alphapulse_api.storage.postgres.pool import Pool
from alphapulse_api.storage.postgres.rekey import rekey_concurrently
from alphapulse_api.storage.postgres.schema import check_server, migrate
from alphapulse_api.storage.postgres.transaction import (
    PostgresTransaction,
    UnitFailed,
    commit,
    run_group,
    undo,
)
from alphapulse_api.storage.rekeyed import Rekeyed

T = TypeVar("T")

MIGRATION_SECONDS: Final = 600.0  # including the wait for another process that migrates
CLOSE_SECONDS: Final = 10.0  # for the writes already accepted
RUNS: Final = 6  # of a group that deadlocks with groups of other processes
PAUSE_SECONDS: Final = 0.02  # before the second run; doubles with each run


class PostgresEngine(Dialect, GroupingEngine):
    """One PostgreSQL database, opened for one event loop.

    Args:
        url: where it is; see `Address`.
        pool_size: the maximum number of connections, at least 2; one of them writes.
        statement_timeout: seconds after which the server ends a statement.
        pgbouncer: whether the server is behind a pooler in transaction mode.

    Raises:
        ConfigError: if the URL is invalid.
    """

    takes_arrays = True

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        statement_timeout: float = 10.0,
        pgbouncer: bool = False,
    ) -> None:
        super().__init__()
        self._jobs: asyncio.Queue[Job | None] = asyncio.Queue()
        self._writer: asyncio.Task[None] | None = None
        self._address = Address(url, statement_timeout, pgbouncer)
        self._pool_size = pool_size
        self._begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
        if pgbouncer:
            # The session belongs to the pooler, so the setting is only for the transaction.
            self._begin += f"; SET LOCAL statement_timeout = {self._address.timeout_ms}"
        self._breaker = Breaker(self._address.probe)
        self._readers: Pool | None = None
        self._writers: Pool | None = None
        self._history: str | None = None
        self._rewound: list[Callable[[], None]] = []

    @property
    def location(self) -> str:
        return self._address.location

    @property
    def history(self) -> str | None:
        return self._history

    def on_new_history(self, callback: Callable[[], None]) -> None:
        self._rewound.append(callback)

    async def check_history(self) -> None:
        """Check the history of the database.

        Each new writing connection checks it too, but a pooler hides its new connections.

        Raises:
            Unavailable: if the database is unavailable.
        """
        if self._readers is None:
            raise Unavailable("The database is closed.")
        try:
            async with self._readers.acquire() as connection:
                await self._look_at_history(connection)
        except Exception as error:
            raise translated(error) from error

    async def open(self) -> None:
        try:
            async with asyncio.timeout(MIGRATION_SECONDS):
                await self._prepare()
        except (*FAULTS, ValueError) as error:
            raise StartupError(self._address.refusal(error)) from None
        self._readers = Pool(self._address, self._breaker, self._pool_size - 1, reading=True)
        self._writers = Pool(
            self._address, self._breaker, 1, reading=False, opened=self._look_at_history
        )
        self._jobs = asyncio.Queue()
        self._writer = asyncio.create_task(self._write_forever(), name="alphapulse-write")

    async def close(self) -> None:
        # Refuse further writes, instead of queueing them behind the end marker.
        writer, self._writer = self._writer, None
        if writer is not None:
            self._jobs.put_nowait(None)
            await asyncio.wait({writer}, timeout=CLOSE_SECONDS)
            writer.cancel()  # writes that are not committed by now fail
            await asyncio.wait({writer})
        self._stop_looking()
        pools, self._readers, self._writers = (self._readers, self._writers), None, None
        await asyncio.gather(*(one.close(GRACE_SECONDS) for one in pools if one is not None))
        await self._breaker.close()  # last, because the pools may trip it

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        if self._readers is None:
            raise Unavailable("The database is closed.")
        try:
            async with self._readers.acquire() as connection:
                rows: Sequence[Row] = await connection.fetch(sql, *args)
                return rows
        except asyncpg.QueryCanceledError:
            raise Unavailable(TOO_LONG.format(self._address.seconds)) from None
        except Exception as error:
            raise translated(error) from error

    async def write(self, work: Work[T]) -> T:
        self._breaker.check()  # fail at once, not behind a group that waits
        return await super().write(work)

    async def _prepare(self) -> None:
        """Migrate the schema on a connection of its own, without the usual timeouts."""
        connection = await self._connect_for_long()
        try:
            check_server(connection, self.location)
            await prepare(connection)
            await migrate(connection, self.location)
            await self._look_at_history(connection)
        finally:
            await part(connection)

    async def rekey(self, rekeyed: Rekeyed) -> None:
        try:
            await rekey_concurrently(self, self._connect_for_long, rekeyed)
        except (*FAULTS, ValueError) as error:
            raise translated(error) from error

    async def _connect_for_long(self) -> asyncpg.Connection:
        """A connection without the usual timeouts."""
        arguments = {**self._address.arguments(), "command_timeout": None}
        if "server_settings" in arguments:
            arguments["server_settings"]["statement_timeout"] = "0"
        return await asyncpg.connect(**arguments)

    async def _look_at_history(self, connection: asyncpg.Connection) -> None:
        now = await history(connection)
        if now is None or now == self._history:
            return
        first, self._history = self._history is None, now
        if not first:
            for rewound in self._rewound:
                rewound()

    # -- the writer ------------------------------------------------------------------------------

    async def _write_forever(self) -> None:
        loop = asyncio.get_running_loop()
        closing = False
        while not closing:
            group, closing = self._group(await self._jobs.get())
            self._under_way_since = time.monotonic()
            rows: Sequence[OutboxRow] = ()
            marked = False
            outcomes: list[Outcome] = []
            try:
                if group:
                    outcomes, rows, marked = await self._commit(group)
            except asyncio.CancelledError:
                while not self._jobs.empty():
                    if (late := self._jobs.get_nowait()) is not None:
                        group.append(late)
                closed = Unavailable("The database is closed.")
                loop.call_soon(self._answer, [Outcome(job, None, closed) for job in group])
                raise
            finally:
                self._under_way_since = None
            loop.call_soon(self._answer, outcomes, rows, marked)

    async def _commit(
        self, group: Sequence[Job]
    ) -> tuple[list[Outcome], Sequence[OutboxRow], bool]:
        apart = False  # whether each unit has its own savepoint
        run = 0
        while True:
            try:
                return await self._transact(group, apart)
            except UnitFailed:
                apart = True
            except Exception as error:
                run += 1
                if may_run_again(error) and run < RUNS:
                    # At random, so that the deadlocked groups do not meet again.
                    await asyncio.sleep(PAUSE_SECONDS * 2**run * random.random())  # noqa: S311
                    continue
                failure = translated(error)
                if not isinstance(failure, Unavailable):
                    failure = Unavailable(f"The database is unavailable: {error}.")
                if only_writes_find(error):
                    self._trouble = failure.detail
                return [Outcome(job, None, failure) for job in group], (), False

    async def _transact(
        self, group: Sequence[Job], apart: bool
    ) -> tuple[list[Outcome], Sequence[OutboxRow], bool]:
        """Run the group in one transaction; return once it is committed or rolled back."""
        marks: Sequence[Mark] = ()
        assert self._writers is not None
        async with self._writers.acquire() as connection:
            transaction = PostgresTransaction(connection)
            try:
                await connection.execute(self._begin)
                outcomes = await run_group(connection, transaction, group, apart)
                rows, marks = joined(transaction.rows), earliest(transaction.marks)
                try:
                    await commit(connection, rows, marks)
                except TimeoutError:
                    # Without its synchronous standby the server still commits empty transactions at
                    # once. Only a confirmed write shows that it confirms commits again.
                    self._trouble = "The server does not confirm commits."
                    raise
            except UnitFailed as failed:
                await undo(connection)
                if len(group) > 1:
                    raise
                outcomes, rows, marks = [Outcome(group[0], None, failed.error)], [], ()
            except asyncpg.PostgresError as error:
                if ends_connection(error):
                    connection.terminate()
                else:
                    await undo(connection)
                raise
            except BaseException:
                # The state of the connection is unknown, so the next group gets a new one.
                connection.terminate()
                raise
        refused = [o.error for o in outcomes if o.error and only_writes_find(o.error)]
        if refused:
            self._trouble = str(translated(refused[-1]))
        elif transaction.wrote:
            self._trouble = None
        answers = [o._replace(error=translated(o.error)) if o.error else o for o in outcomes]
        return answers, rows, bool(marks)
