"""Removes relayed rows from the outbox, in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Final

from alphapulse_api.runtime.supervisor import consume_exception
from alphapulse_api.storage import outbox
from alphapulse_api.storage.engine import Engine

BATCH: Final = 100  # relayed rows that are removed at once


class Removal:
    """Keeps track of the process's own rows in the outbox, and removes those that were relayed.

    Args:
        engine: the database.
        remove_soon: called when rows wait for `remove`.
    """

    def __init__(self, engine: Engine, remove_soon: Callable[[], None]) -> None:
        self._engine = engine
        self._remove_soon = remove_soon
        self._own: set[str] = set()
        # In order, so that the oldest go first; the thread that writes looks rows up here.
        self._relayed: dict[str, None] = {}
        self._removing: asyncio.Task[None] | None = None

    @property
    def own(self) -> Container[str]:
        """Ids of rows in the table that this process relays or has relayed."""
        return self._own

    @property
    def relayed(self) -> Container[str]:
        """Ids of rows that this process has relayed and not yet removed."""
        return self._relayed

    @property
    def relayed_count(self) -> int:
        """How many rows wait for removal."""
        return len(self._relayed)

    @property
    def own_count(self) -> int:
        """How many of the process's own rows are in the table."""
        return len(self._own)

    def add_own(self, ids: Iterable[str]) -> None:
        """Add rows that this process has committed and will relay."""
        self._own.update(ids)

    def give_up(self, ids: Iterable[str] | None = None) -> None:
        """Leave rows in the table for another process; all of them by default."""
        if ids is None:
            self._own.clear()
        else:
            self._own.difference_update(ids)

    def add_relayed(self, ids: Sequence[str]) -> None:
        """Remove rows later, or now if there are enough of them."""
        self._relayed.update(dict.fromkeys(ids))
        self._remove_soon()
        if len(self._relayed) >= BATCH and self._removing is None:
            self._removing = asyncio.get_running_loop().create_task(self._remove())
            self._removing.add_done_callback(self._removed)

    async def remove(self) -> None:
        """Remove the relayed rows, unless a removal is in progress.

        Raises:
            Unavailable: if the database is away; the rows stay in the table.
        """
        if self._removing is None:
            await self._remove()

    async def finish(self) -> None:
        """Return once the table has none of the rows that this process relayed.

        Raises:
            Unavailable: if the database is away.
        """
        if self._removing is not None:
            await asyncio.shield(self._removing)
        await self._remove()

    async def _remove(self) -> None:
        ids = list(self._relayed)
        if ids:
            await outbox.remove(self._engine, ids)
            for id_ in ids:
                self._relayed.pop(id_, None)
            self._own.difference_update(ids)

    def _removed(self, task: asyncio.Task[None]) -> None:
        self._removing = None
        consume_exception(task)
        if self._relayed:  # rows that came meanwhile, or that could not be removed
            self._remove_soon()
