"""Parts of migrations that run while the server answers.

A migration changes the schema at the start, so that the current code can read and write it at once.
It leaves long work, such as moving all rows of a table, to a backfill, by adding a row to the table
`backfills`. A backfill works in short steps. It stores its position with each step, so that it
continues where it was interrupted, and removes its row with the last step.

Until then the code has to support both the old and the new form of the data.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.runtime.supervisor import consume_exception
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.engine.long_reads import long_reads
from alphapulse_api.storage.rekeyed import BOOKS, Rekeyed
from alphapulse_api.storage.tables.marked_trades import MARKED, mark_all

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0  # between two looks at the progress, or at a database that is away

Backfill = Callable[[Engine], Awaitable[None]]
"""Runs until nothing is left; may be cancelled at any time, and run by several processes."""


def _rekey(rekeyed: Rekeyed) -> Backfill:
    return lambda engine: engine.rekey(rekeyed)


BACKFILLS: Final[Mapping[str, Backfill]] = {
    **{each.table: _rekey(each) for each in BOOKS},
    MARKED: mark_all,
}
"""By their names in the table, in the order in which they run."""


async def progress(engine: Engine) -> dict[str, float]:
    """The share of each backfill that is done, from 0 to 1; empty if nothing is left.

    Raises:
        Unavailable: if the database is away.
    """
    rows = await engine.fetch("SELECT name, done, total FROM backfills ORDER BY name")
    return {name: min(1.0, done / total) if total else 0.0 for name, done, total in rows}


async def run_backfills(engine: Engine) -> None:
    """Run the remaining backfills to their end.

    Raises:
        Unavailable: if the database is away.
    """
    left = await progress(engine)
    for name in BACKFILLS:
        if name in left:
            logger.info("migrating the rows of %s", name)
            with long_reads():
                await BACKFILLS[name](engine)
            logger.info("migrated the rows of %s", name)


class Backfills:
    """The backfills of a database beside a server.

    Attributes:
        progress: as the function of that name last returned it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.progress: Mapping[str, float] = {}

    async def finish(self) -> None:
        """Run the remaining backfills; waits while the database is away."""
        while True:
            running = asyncio.create_task(run_backfills(self._engine))
            try:
                self.progress = await progress(self._engine)
                while not (await asyncio.wait({running}, timeout=LOOK_SECONDS))[0]:
                    self.progress = await progress(self._engine)
                await running
                self.progress = {}
                return
            except Unavailable as outage:  # already logged once, by the monitor
                logger.debug("the migration of rows waits: %s", outage.detail)
            finally:
                running.cancel()
                await asyncio.wait({running})
                consume_exception(running)
            await asyncio.sleep(LOOK_SECONDS)
