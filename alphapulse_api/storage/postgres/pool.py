"""Connections to PostgreSQL, lent to one user at a time.

asyncpg's own pool wraps each connection that it lends in a new proxy and resets it on return, which
takes a tenth of a millisecond: as long as a small query. Nobody leaves state on our connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.storage.engine.breaker import Breaker
from alphapulse_api.storage.postgres import connection as postgres_connection
from alphapulse_api.storage.postgres.connection import Address

IDLE_SECONDS: Final = 300.0  # unused for longer, a firewall may have forgotten it without a word


class Pool:
    """Up to `size` connections, made as they are needed, for one event loop.

    Args:
        address: where they go.
        breaker: asked before each use, and tripped by one in which the server fell silent.
        size: how many there are at most.
        reading: they cannot write.
        opened: awaited with each new connection, before it is lent.
    """

    def __init__(
        self,
        address: Address,
        breaker: Breaker,
        size: int,
        *,
        reading: bool,
        opened: Callable[[asyncpg.Connection], Awaitable[None]] | None = None,
    ) -> None:
        self._address = address
        self._breaker = breaker
        self._size = size
        self._reading = reading
        self._opened = opened
        self._places = asyncio.Semaphore(size)
        # With the instant of their return; the last one back is the first to go out again.
        self._free: list[tuple[asyncpg.Connection, float]] = []
        self._in_use: set[asyncpg.Connection] = set()
        self._background: set[asyncio.Task[None]] = set()
        self._closed = False

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection for the length of the block; one that was terminated there is not kept.

        Raises:
            Unavailable: if the server is known to be silent, none came free in time, or this is
                closed.
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError: if one had to be made and could
                not be.
        """
        trips = self._breaker.trips
        try:
            connection = await self._take()
        except TimeoutError:
            self._silent(trips)
            raise
        try:
            yield connection
        except asyncio.CancelledError:
            # The driver is still asking the server to leave off.
            self._run_in_background(self._await_cancellation(connection))
            raise
        except TimeoutError:
            connection.terminate()
            if self._address.ends_statements(reading=self._reading):
                # Nothing came back, not even the server's own timeout: the way there is dead.
                self._silent(trips)
            else:
                self._run_in_background(self._probe_silence(trips))
            self._release(connection)
            raise
        except BaseException:
            self._release(connection)
            raise
        self._release(connection)

    async def close(self, grace: float) -> None:
        """Refuse further users, and disconnect; those under way have `grace` seconds to end."""
        self._closed = True
        try:
            async with asyncio.timeout(grace):
                for _ in range(self._size):
                    await self._places.acquire()
                await asyncio.gather(*(connection.close() for connection, _ in self._free))
                await asyncio.gather(*self._background)
        except postgres_connection.FAULTS:
            pass  # they are ended without a goodbye
        finally:
            for task in self._background:
                task.cancel()
            await asyncio.gather(*self._background, return_exceptions=True)
            self._close_idle()
            for connection in self._in_use:
                connection.terminate()

    async def _take(self) -> asyncpg.Connection:
        self._check()
        if self._places.locked():
            await self._wait()
        else:
            await self._places.acquire()  # at once
        try:
            connection = await self._free_or_new()
        except BaseException:
            self._places.release()
            raise
        self._in_use.add(connection)
        return connection

    def _check(self) -> None:
        if self._closed:
            raise Unavailable("The database is closed.")
        self._breaker.check()

    async def _free_or_new(self) -> asyncpg.Connection:
        self._check()  # much may have happened during the wait
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        while self._free:
            connection, back = self._free.pop()
            if back < oldest:
                self._retire(connection)
            elif not connection.is_closed():
                return connection
        connection = await self._address.connect(reading=self._reading)
        if self._closed:
            connection.terminate()
            self._check()
        if self._opened is not None:
            try:
                await self._opened(connection)
            except BaseException:
                connection.terminate()
                raise
        return connection

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._address.patience):
                await self._places.acquire()
        except TimeoutError:
            raise Unavailable(
                "The database is unavailable: every connection of database.pool_size is in use."
            ) from None

    def _silent(self, trips: int) -> None:
        """Take in that a use met silence; it began when the breaker had tripped so often."""
        # One that began before an outage may end after it, and tells nothing of the present; and of
        # one that outlasts the close a probe would be left.
        if trips == self._breaker.trips and not self._closed:
            self._breaker.trip()
            self._close_idle()

    async def _probe_silence(self, trips: int) -> None:
        """See whether a server that did not answer a use is silent, or only slow with it."""
        try:
            await self._address.probe()
        except TimeoutError:
            self._silent(trips)
        except postgres_connection.FAULTS:
            pass  # it answers

    def _close_idle(self) -> None:
        """Let the next users connect anew: on a way that is dead each would lose its patience."""
        while self._free:
            self._free.pop()[0].terminate()

    def _release(self, connection: asyncpg.Connection) -> None:
        self._in_use.discard(connection)
        if not connection.is_closed():
            back = asyncio.get_running_loop().time()
            self._free.append((connection, back))
            if self._free[0][1] < back - IDLE_SECONDS:
                self._retire(self._free.pop(0)[0])
        self._places.release()

    def _retire(self, connection: asyncpg.Connection) -> None:
        """Disconnect in the background; `close` ends what has not been disconnected by then."""
        self._in_use.add(connection)
        self._run_in_background(self._part(connection))

    async def _part(self, connection: asyncpg.Connection) -> None:
        await postgres_connection.part(connection)
        self._in_use.discard(connection)

    def _run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _await_cancellation(self, connection: asyncpg.Connection) -> None:
        """Give a connection back once its server has left off; it keeps its place until then."""
        try:
            async with asyncio.timeout(postgres_connection.GRACE_SECONDS):
                await connection.execute(postgres_connection.ASKED)
        except postgres_connection.FAULTS:
            connection.terminate()
        finally:
            self._release(connection)
