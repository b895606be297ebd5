"""Checks whether the parts that answers depend on are usable.

Anyone may call /readyz, and a check costs a transaction and a ping. So callers share checks, and
/readyz shows one word for each part. The reason of a failure goes only to the log, once when a part
fails and once when it recovers. (`RedisLink` logs its own failures.)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.runtime.redis import RedisLinks

logger = logging.getLogger(__name__)

SHARED_SECONDS: Final = 1.0  # how long a result is reused
CHECK_SECONDS: Final = 1.0  # bound on one check; a part without an answer keeps its last state
SILENT_SECONDS: Final = 5.0  # a database that has not answered for this long is down
PROBE_SECONDS: Final = 1.0  # between two checks of a database that may be down


class Database(Protocol):
    """What readiness needs of a storage engine."""

    on_stall: Callable[[], object]

    @property
    def trouble(self) -> str | None:
        """Why the newest write failed, or None."""
        ...

    @property
    def stalled(self) -> bool:
        """Whether a transaction has been under way for too long."""
        ...

    @property
    def commit_seconds(self) -> float:
        """Duration of the transaction that is being written; 0 if there is none."""
        ...

    async def fetch(self, sql: str, *values: Any) -> Any:
        """The rows of a query."""
        ...

    async def write(self, work: Callable[[Any], Awaitable[None]]) -> None:
        """Run `work` in a transaction."""
        ...


class Readiness:
    """Checks the database, Redis and background tasks, and remembers the results.

    Args:
        database: the storage engine.
        links: to each Redis.
        failing: returns the names of background tasks that fail.
    """

    def __init__(
        self, database: Database, links: RedisLinks, failing: Callable[[], Sequence[str]]
    ) -> None:
        self._database = database
        self._links = links
        self._failing = failing
        self._suspect = asyncio.Event()
        self._down = False
        self._trouble: str | None = None  # of the database, by the newest probe that finished
        self._probe: asyncio.Task[str | None] | None = None
        self._probing_since = 0.0
        self._reading = False  # whether the probe is still in its query
        self._redis: dict[str, str] = {}
        self._pinging: asyncio.Task[dict[str, str]] | None = None
        self._checking: asyncio.Task[dict[str, bool]] | None = None
        self._until = 0.0  # on the loop's clock
        database.on_stall = self._suspect.set

    async def checks(self) -> dict[str, str]:
        """ "ok" or "down" by name of the part, at most a second old.

        A client whose write was refused, for example by a full disk, does not read "ok" afterwards.
        """
        clock = asyncio.get_running_loop().time
        refused = self._database.trouble is not None and not self._down
        if self._checking is None or (
            self._checking.done() and (refused or clock() >= self._until)
        ):
            self._checking = asyncio.create_task(self._check())
        # Cancelling one caller must not cancel the check for the others.
        found = await asyncio.shield(self._checking)
        checks = {name: "ok" if up else "down" for name, up in found.items()}
        if self._failing():
            checks["tasks"] = "down"
        return checks

    @property
    def database_up(self) -> bool:
        """Whether the database was usable at the last check."""
        return not self._down

    def note_answer(self, trouble: str | None) -> None:
        """Note how a use of the database ended: None, or the reason of its failure.

        This is only a hint that makes `watch_forever` check. One use says little about others, and
        a call that hung may end long after the outage.
        """
        # An empty transaction does not find a full disk, but the engine remembers it.
        if trouble or self._database.trouble:
            self._suspect.set()

    async def watch_forever(self) -> None:
        """Check a database that may be down until it is up again; until cancelled."""
        while True:
            await self._suspect.wait()
            await self.checks()
            await asyncio.sleep(PROBE_SECONDS)

    async def close(self) -> None:
        """Cancel the checks that are under way."""
        tasks = {t for t in (self._checking, self._probe, self._pinging) if t is not None}
        self._checking = self._probe = self._pinging = None
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _check(self) -> dict[str, bool]:
        trouble, redis = await asyncio.gather(self._check_database(), self._check_redis())
        self._log_change(trouble)
        self._until = asyncio.get_running_loop().time() + SHARED_SECONDS
        return {
            "database": trouble is None,
            **{name: state == "ok" for name, state in redis.items()},
        }

    async def _check_redis(self) -> dict[str, str]:
        if self._pinging is None:
            self._pinging = asyncio.create_task(self._links.check())
        await asyncio.wait({self._pinging}, timeout=CHECK_SECONDS)
        if self._pinging.done():
            self._redis, self._pinging = self._pinging.result(), None
        elif not self._redis:
            return {"redis": "no answer yet"}
        return self._redis

    async def _check_database(self) -> str | None:
        """Why the database is not usable, or None; returns within `CHECK_SECONDS`.

        A probe that has not finished by then continues: a slow commit may still succeed, and a
        second probe would only queue behind the first.
        """
        clock = asyncio.get_running_loop().time
        if self._probe is None:
            self._probe = asyncio.create_task(self._probe_database())
            self._probing_since = clock()
        await asyncio.wait({self._probe}, timeout=0 if self._database.stalled else CHECK_SECONDS)
        if self._probe.done():
            self._trouble, self._probe = self._probe.result(), None
        elif self._database.stalled:
            seconds = self._database.commit_seconds
            self._trouble = f"A transaction has been under way for {seconds:.0f} s."
        elif self._reading and clock() - self._probing_since >= SILENT_SECONDS:
            self._trouble = f"The database has not answered for {SILENT_SECONDS:g} s."
        return self._trouble

    async def _probe_database(self) -> str | None:
        """Run one query and one empty transaction.

        An empty transaction finds a lock that stays, or a file that was removed. A full disk shows
        in the result of the newest write; the process records a sample of itself every 10 s.
        """

        async def nothing(_: Any) -> None:
            return None

        self._reading = True
        try:
            await self._database.fetch("SELECT version FROM auth_version")
            self._reading = False
            await self._database.write(nothing)
        except Unavailable as error:
            return error.detail
        except Exception as error:  # such as a missing table
            return f"The database cannot be used: {error!r}."
        return self._database.trouble

    def _log_change(self, trouble: str | None) -> None:
        if trouble is None:
            self._suspect.clear()
            if self._down:
                logger.warning("the database is back")
        else:
            self._suspect.set()
            if not self._down:
                logger.warning("the database is away, going on without it: %s", trouble)
        self._down = trouble is not None
