"""System samples: the health of the components of the trading system and of this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from alphapulse_api.domain.errors import Conflict
from alphapulse_api.domain.times import CLOCK_AHEAD
from alphapulse_api.storage.bulk import insert_rows
from alphapulse_api.storage.columns import JSON, PLAIN, TIME, Columns
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.listing import read_page
from alphapulse_api.storage.ordering import Order
from alphapulse_api.storage.outbox import invalidation
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import Listing, Where, default_range
from alphapulse_api.storage.stores import Written

COLUMNS = Columns(
    "system_samples",
    {
        "component": PLAIN,
        "status": PLAIN,
        "timestamp": TIME,
        "metrics": JSON,
        "message": PLAIN,
    },
)
WINDOW = timedelta(hours=1)
_ORDER: Final = Order(("timestamp", "component"), (int, str), descending=False)
_REPLACE: Final = (
    "UPDATE system_samples SET status = $2, metrics = $4, message = $5 "
    "WHERE component = $1 AND timestamp = $3"
)


class SystemDataAccessor:
    """Reads and writes system samples.

    Args:
        ahead: the seconds by which the clock of a sender may be ahead.
    """

    def __init__(self, engine: Engine, ahead: float = CLOCK_AHEAD) -> None:
        self._engine = engine
        self._ahead = timedelta(seconds=ahead)

    async def get_system(
        self,
        component: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """One page, oldest first; the range defaults to the hour before now.

        Raises:
            ValidationProblem: for an empty range or a foreign cursor.
        """
        start, end = default_range(start_time, end_time, WINDOW, self._ahead)
        listing = Listing("system", component=component)
        where = Where()
        where.equal(component=component)
        where.between("timestamp", start, end)
        return await read_page(self._engine, COLUMNS, _ORDER, listing, where, limit, cursor)

    async def add_sample(self, sample: Mapping[str, Any]) -> Written:
        """Store a validated sample, replacing one with the same component and time.

        Returns:
            The sample as stored, and whether there was none to replace.
        """
        values = COLUMNS.store(sample)

        async def work(transaction: Transaction) -> Written:
            new = await transaction.execute(
                f"{COLUMNS.insert} ON CONFLICT (component, timestamp) DO NOTHING", *values
            )
            if not new:
                await transaction.execute(_REPLACE, *values)
            transaction.publish(invalidation("system"))
            return {name: sample.get(name) for name in COLUMNS.names}, new > 0

        return await self._engine.write(work)

    async def add_samples(
        self,
        samples: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,
    ) -> list[Written]:
        """Store validated samples, all of them or none, as `add_sample` stores each.

        Args:
            samples: in the order in which one replaces another of its component and time.
            server_set: of no effect, because a repeat replaces.
            conflicts: is not filled, for the same reason.
            events: of no effect, because samples have none.

        Returns:
            Each sample as stored, and whether there was none to replace.
        """
        rows = [COLUMNS.store(sample) for sample in samples]

        async def work(transaction: Transaction) -> list[Written]:
            first = {(row[0], row[2]): row for row in reversed(rows)}
            ending = "ON CONFLICT (component, timestamp) DO NOTHING RETURNING component, timestamp"
            found = await insert_rows(transaction, COLUMNS.into, list(first.values()), ending)
            added = {(component, at) for component, at in found}
            answer: list[Written] = []
            for row, sample in zip(rows, samples, strict=True):
                key = (row[0], row[2])
                if not (new := key in added):
                    await transaction.execute(_REPLACE, *row)
                added.discard(key)
                answer.append(({name: sample.get(name) for name in COLUMNS.names}, new))
            transaction.publish(invalidation("system"))
            return answer

        return await self._engine.write(work)
