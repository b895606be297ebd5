"""Whether all that answers depend on is there: for /readyz in a word, for the log with the reason.

Who may call /readyz is anybody, and a look costs a transaction and a ping. So looks are shared, and
what a part says of itself goes to the log alone: once when it goes, once when it is back. (A Redis
is told of by its link.)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.runtime.redis import RedisLinks
from alphapulse_api.storage.engine import Engine, Transaction

logger = logging.getLogger(__name__)

SHARED_SECONDS: Final = 1.0  # how long what was found holds
LOOK_SECONDS: Final = 1.0  # for a look; what has not answered by then is as it was before
SILENT_SECONDS: Final = 5.0  # without an answer to a look, what is looked at is down
PROBE_SECONDS: Final = 1.0  # between two looks at a database that may be away


class Readiness:
    """Looks, and remembers.

    Args:
        engine: the database.
        links: to each Redis.
        failing: names of the tasks that do not run as they should.
    """

    def __init__(
        self, engine: Engine, links: RedisLinks, failing: Callable[[], Sequence[str]]
    ) -> None:
        self._engine = engine
        self._links = links
        self._failing = failing
        self._suspect = asyncio.Event()
        self._away = False
        self._trouble: str | None = None  # of the database, by the newest look that had an answer
        self._probe: asyncio.Task[str | None] | None = None
        self._probing_since = 0.0
        self._reading = False  # whether the probe is at its first part
        self._redis: dict[str, str] = {}
        self._pinging: asyncio.Task[dict[str, str]] | None = None
        self._looking: asyncio.Task[dict[str, bool]] | None = None
        self._until = 0.0  # on the loop's clock
        engine.on_stall = self._suspect.set

    async def checks(self) -> dict[str, str]:
        """By name "ok" or "down", of a second ago at most."""
        clock = asyncio.get_running_loop().time
        if self._looking is None or (self._looking.done() and clock() >= self._until):
            self._looking = asyncio.create_task(self._look())
        # Whoever goes away must not take the others' answer with it.
        found = await asyncio.shield(self._looking)
        checks = {name: "ok" if up else "down" for name, up in found.items()}
        if self._failing():
            checks["tasks"] = "down"
        return checks

    @property
    def database_up(self) -> bool:
        """Whether the database could be used when it was last looked at."""
        return not self._away

    def note_answer(self, trouble: str | None) -> None:
        """Take in how somebody's use of the database ended: None, or why it did not work.

        It is only a hint: one use says little of others, and what hung may end long after it is
        over. `watch_forever` looks.
        """
        # The latter is what an empty transaction would not find, such as a full disk.
        if trouble or self._engine.trouble:
            self._suspect.set()

    async def watch_forever(self) -> None:
        """Look at a database that may be away, until it is not, until cancelled."""
        while True:
            await self._suspect.wait()
            await self.checks()
            await asyncio.sleep(PROBE_SECONDS)

    async def close(self) -> None:
        """Leave off looking."""
        tasks = {t for t in (self._looking, self._probe, self._pinging) if t is not None}
        self._looking = self._probe = self._pinging = None
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _look(self) -> dict[str, bool]:
        trouble, redis = await asyncio.gather(self._look_at_database(), self._look_at_redis())
        self._tell(trouble)
        self._until = asyncio.get_running_loop().time() + SHARED_SECONDS
        return {
            "database": trouble is None,
            **{name: state == "ok" for name, state in redis.items()},
        }

    async def _look_at_redis(self) -> dict[str, str]:
        if self._pinging is None:
            self._pinging = asyncio.create_task(self._links.check())
        await asyncio.wait({self._pinging}, timeout=LOOK_SECONDS)
        if self._pinging.done():
            self._redis, self._pinging = self._pinging.result(), None
        elif not self._redis:
            return {"redis": "no answer yet"}
        return self._redis

    async def _look_at_database(self) -> str | None:
        """Why the database cannot be used, or None; known within `LOOK_SECONDS`.

        A probe that has no answer by then goes on: the writer may be in a commit that takes long
        and still ends well, and no second probe is put behind the first.
        """
        clock = asyncio.get_running_loop().time
        if self._probe is None:
            self._probe = asyncio.create_task(self._ask_database())
            self._probing_since = clock()
        await asyncio.wait({self._probe}, timeout=0 if self._engine.stalled else LOOK_SECONDS)
        if self._probe.done():
            self._trouble, self._probe = self._probe.result(), None
        elif self._engine.stalled:
            seconds = self._engine.commit_seconds
            self._trouble = f"A transaction has been under way for {seconds:.0f} s."
        elif self._reading and clock() - self._probing_since >= SILENT_SECONDS:
            self._trouble = f"The database has not answered for {SILENT_SECONDS:g} s."
        return self._trouble

    async def _ask_database(self) -> str | None:
        """Use the database once.

        An empty transaction finds a lock that stays or a file taken away; a disk that is full shows
        in how the newest write ended (the process's own samples are written every 10 s).
        """

        async def nothing(_: Transaction) -> None:
            return None

        self._reading = True
        try:
            await self._engine.fetch("SELECT version FROM auth_version")
            self._reading = False
            await self._engine.write(nothing)
        except Unavailable as error:
            return error.detail
        except Exception as error:  # such as a table that is not there
            return f"The database cannot be used: {error!r}."
        return self._engine.trouble

    def _tell(self, trouble: str | None) -> None:
        if trouble is None:
            self._suspect.clear()
            if self._away:
                logger.warning("the database is back")
        else:
            self._suspect.set()
            if not self._away:
                logger.warning("the database is away, going on without it: %s", trouble)
        self._away = trouble is not None
