"""Work that one process does at a time, and whose effects happen once.

A process may stall for longer than its lease and then continue, unaware that another has taken
over. So a lease only decides who works; each effect checks the lease in its own transaction, under
the lock of its row. The lease is a row and not a lock of the session, because a pooler shares
sessions. All times are those of the database's clock.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.runtime.supervisor import consume_exception
from alphapulse_api.storage.engine import Engine, Transaction

__all__ = ["JobLease", "LeaseLost"]

logger = logging.getLogger(__name__)

LEASE_SECONDS: Final = 4.0  # so that another process has taken over 5 s after a death
RENEW_SECONDS: Final = 1.0
_MICROS: Final = 1_000_000


class LeaseLost(Exception):
    """The lease has passed to another owner, or has expired."""


class JobLease:
    """The lease of one job, as one process takes and holds it.

    Args:
        engine: the database with the table of leases.
        name: of the job.
        alone: whether this process holds the lock of the database file. No other one can then be
            working, so it takes the lease at once and has nothing to renew.
    """

    __slots__ = ("_alone", "_engine", "_name", "_owner")

    def __init__(self, engine: Engine, name: str, *, alone: bool = False) -> None:
        self._engine = engine
        self._name = name
        self._alone = alone
        # Random, because a restored database issues epochs again, and containers process ids.
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(8)}"

    def __repr__(self) -> str:
        return f"<JobLease {self._name} of {self._owner}>"

    async def run_forever(self, work: Callable[[int], Awaitable[None]]) -> None:
        """Run `work` with the epoch of the lease while this process has it, until cancelled.

        `work` is cancelled when the lease is lost, and called again with another epoch when it is
        acquired again. The same happens if `work` raises `LeaseLost`. If this method is cancelled,
        the lease is released. It returns if the database file has another server.

        Raises:
            Exception: what else `work` raised; the lease is released.
        """
        while True:
            epoch = await self._acquired()
            try:
                await self._hold(epoch, work)
            except LeaseLost:
                logger.warning("lost the lease of the job %r", self._name)
                if self._alone:
                    return
            finally:
                with suppress(Unavailable):
                    await self.release(epoch)

    async def acquire(self) -> int | None:
        """Take the lease, if it is free.

        Returns:
            Its epoch; None if another process has it.

        Raises:
            Unavailable: if the database is away.
        """

        async def work(transaction: Transaction) -> int | None:
            rows = await transaction.fetch(
                "INSERT INTO job_leases (name, owner, epoch, expires_at) VALUES ($1, $2, 1, $3) "
                "ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, "
                "epoch = job_leases.epoch + 1, expires_at = excluded.expires_at "
                f"WHERE {self._free} RETURNING epoch",
                self._name,
                self._owner,
                await self._end(transaction),
            )
            return rows[0][0] if rows else None

        # The insert would wait for an effect that holds the row. So it is tried only on a free one.
        return None if await self._seconds_left() else await self._engine.write(work)

    async def renew(self, epoch: int) -> bool:
        """Put off the end of the lease. Returns whether it still was this process's.

        Raises:
            Unavailable: if the database is away.
        """

        async def work(transaction: Transaction) -> bool:
            count = await transaction.execute(
                "UPDATE job_leases SET expires_at = $4 "
                "WHERE name = $1 AND epoch = $2 AND owner = $3",
                self._name,
                epoch,
                self._owner,
                await self._end(transaction),
            )
            return count > 0

        return await self._engine.write(work)

    async def release(self, epoch: int) -> None:
        """End the lease, so that another process need not wait for its end.

        Raises:
            Unavailable: if the database is away.
        """

        async def work(transaction: Transaction) -> None:
            await transaction.execute(
                f"UPDATE job_leases SET expires_at = {self._engine.clock} "
                "WHERE name = $1 AND epoch = $2 AND owner = $3",
                self._name,
                epoch,
                self._owner,
            )

        await self._engine.write(work)

    async def check(self, transaction: Transaction, epoch: int) -> None:
        """Check, in the transaction of an effect, that the lease still is this process's.

        Nobody can take it before the transaction ends.

        Raises:
            LeaseLost: if it is another's, or has expired.
        """
        rows = await transaction.fetch(
            "SELECT epoch FROM job_leases WHERE name = $1 AND epoch = $2 AND owner = $3 "
            f"AND (expires_at IS NULL OR expires_at > {self._engine.clock}) {self._engine.locked}",
            self._name,
            epoch,
            self._owner,
        )
        if not rows:
            raise LeaseLost(f"the lease {epoch} of the job {self._name!r} has ended")

    @property
    def _free(self) -> str:
        """SQL that is true for a lease that may be taken."""
        if self._alone:
            return "true"
        return f"(job_leases.expires_at IS NULL OR job_leases.expires_at <= {self._engine.clock})"

    async def _end(self, transaction: Transaction) -> int | None:
        """When a lease that begins now ends."""
        if self._alone:
            return None
        ((present,),) = await transaction.fetch(f"SELECT {self._engine.clock}")
        return int(present) + int(LEASE_SECONDS * _MICROS)

    async def _seconds_left(self) -> float:
        """How long the lease cannot be taken; 0 if it is free."""
        rows = await self._engine.fetch(
            f"SELECT expires_at, {self._engine.clock} FROM job_leases "
            f"WHERE name = $1 AND NOT {self._free}",
            self._name,
        )
        return max(0, rows[0][0] - rows[0][1]) / _MICROS if rows else 0.0

    async def _acquired(self) -> int:
        """Wait for the lease and return its epoch."""
        while True:
            pause = RENEW_SECONDS
            try:
                if (epoch := await self.acquire()) is not None:
                    return epoch
                # It may be released before its end, but it is not free later than that.
                pause = min(pause, await self._seconds_left())
            except Unavailable:
                logger.debug("the database is away", exc_info=True)
            await asyncio.sleep(pause)

    async def _hold(self, epoch: int, work: Callable[[int], Awaitable[None]]) -> None:
        """Run `work` and renew the lease meanwhile, until one of them ends."""
        running = asyncio.ensure_future(work(epoch))
        try:
            if self._alone:
                await running
            else:
                await self._renew_while(running, epoch)
        finally:
            running.cancel()
            await asyncio.wait([running])
            consume_exception(running)

    async def _renew_while(self, running: asyncio.Future[None], epoch: int) -> None:
        """Renew the lease until `running` ends, and raise what that raised.

        Raises:
            LeaseLost: if the lease is another's, or could not be renewed in time.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + LEASE_SECONDS
        while not (await asyncio.wait([running], timeout=RENEW_SECONDS))[0]:
            asked = loop.time()
            try:
                async with asyncio.timeout_at(ends):
                    kept = await self.renew(epoch)
            except TimeoutError:
                raise LeaseLost from None
            except Unavailable:
                continue  # until the lease ends
            if not kept:
                raise LeaseLost
            ends = asked + LEASE_SECONDS
        running.result()
