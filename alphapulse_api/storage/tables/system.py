"""System samples: the health of the components of the trading system and of this process."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from alphapulse_api.domain.times import CLOCK_AHEAD
from alphapulse_api.storage.columns import JSON, PLAIN, TIME, Columns
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.listing import Order, read_page
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
