"""Chooses outbox rows that other processes have left in the table."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from typing import Final

from alphapulse_api.domain.outbox import OutboxRow
from alphapulse_api.log import EventLog
from alphapulse_api.storage import outbox
from alphapulse_api.storage.engine import Engine

PAGE_ROWS: Final = 500  # relayed at once, unless they have more events than the next bound
PAGE_EVENTS: Final = 2000
SCANNED: Final = 5000  # the oldest rows of the table


class Leftovers:
    """Finds rows to relay in the table of one database.

    Args:
        engine: the database.
        events: the log, whose size and age bound what may wait.
        alone: whether no other process relays the rows of this database.
    """

    def __init__(self, engine: Engine, events: EventLog, *, alone: bool) -> None:
        self._engine = engine
        self._events = events
        self._alone = alone
        self._seen: Collection[str] = ()  # rows of others in the scan before this one
        self._collapsed = False

    async def scan(self, own: Container[str]) -> tuple[list[OutboxRow], bool]:
        """Scan the table once.

        Args:
            own: ids of rows that this process relays from memory.

        Returns:
            The rows to relay, and whether to scan again at once.

        Raises:
            Unavailable: if the database is away.
        """
        if not self._collapsed:
            # The log may have forgotten the ids of rows that are this old.
            await self.collapse()
        found = await outbox.oldest(self._engine, SCANNED)
        others = {id_: count for id_, count in found.items() if id_ not in own}
        # A row seen for the first time was usually relayed by its own process and is removed soon.
        left = {id_: n for id_, n in others.items() if self._alone or id_ in self._seen}
        self._seen = others
        if sum(left.values()) > self._events.size:
            await self.collapse()
            return [], True
        if not left:
            return [], False
        page = _page(left)
        return await outbox.read(self._engine, page), len(page) < len(left)

    async def oldest(self) -> Sequence[OutboxRow]:
        """The oldest rows of the table, committed by any process.

        Raises:
            Unavailable: if the database is away.
        """
        page = _page(await outbox.oldest(self._engine, PAGE_ROWS))
        return await outbox.read(self._engine, page) if page else ()

    async def remove(self, rows: Sequence[OutboxRow]) -> None:
        """Remove rows that were relayed.

        Raises:
            Unavailable: if the database is away.
        """
        await outbox.remove(self._engine, [row.id for row in rows])

    async def collapse(self) -> None:
        """Replace rows that exceed the log's size or age by one gap a channel.

        Raises:
            Unavailable: if the database is away.
        """
        await outbox.collapse(self._engine, self._events.size, self._events.ttl)
        self._collapsed = True


def _page(rows: Mapping[str, int]) -> list[str]:
    """The ids of the first rows to relay together; at least one, however many events it has."""
    page: list[str] = []
    events = 0
    for id_, count in rows.items():
        if page and (len(page) == PAGE_ROWS or events + count > PAGE_EVENTS):
            break
        page.append(id_)
        events += count
    return page
