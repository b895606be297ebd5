"""Handles a database that went back in time: clients and caches must drop the lost records."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from alphapulse_api.cache import Cache
from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.log import EventLog
from alphapulse_api.log.base import LogAway
from alphapulse_api.storage.engine import Engine

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 1.0  # while the event log is away
LOOK_SECONDS: Final = 1.0  # between two looks through a pooler


class HistoryWatch:
    """Publishes a gap in every channel, and empties the cache, when the database has lost records.

    Args:
        engine: the database.
        cache: the cached answers, which may show lost records.
        events: the log, which may have events of lost records.
        pooled: whether the database is behind a pooler, which hides a change of the server.
    """

    def __init__(
        self, engine: Engine, cache: Cache, events: EventLog, *, pooled: bool = False
    ) -> None:
        self._engine = engine
        self._cache = cache
        self._events = events
        self._look_seconds = LOOK_SECONDS if pooled else None
        self._changed = asyncio.Event()
        self._changed.set()  # the log may be older than this process
        self._first = True
        engine.on_new_history(self._changed.set)

    async def watch_forever(self) -> None:
        """Act on each change, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._look_seconds):
                    await self._changed.wait()
            except TimeoutError:
                await self._look()
                continue
            self._changed.clear()
            await self._adopt()

    async def _look(self) -> None:
        try:
            await self._engine.check_history()
        except Unavailable:
            pass  # readiness reports the database

    async def _adopt(self) -> None:
        history = self._engine.history
        if history is None:
            return
        if not self._first:
            # Before the gaps are published, because clients then read again.
            await self._cache.clear()
        try:
            changed = await self._events.adopt(history)
        except LogAway:
            await asyncio.sleep(RETRY_SECONDS)
            self._changed.set()
            return
        if changed:
            await self._cache.clear()
            logger.warning(
                "the database was failed over or restored: cached answers are gone, and clients "
                "read the history again"
            )
        self._first = False
