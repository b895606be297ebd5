"""Watches the number of series, and raises an alert before their bound is reached."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from alphapulse_api.domain.errors import Problem
from alphapulse_api.storage.engine import Engine

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 60.0
ALERT_AT: Final = 0.9  # of the bound


class SeriesWatch:
    """Counts the series.

    Args:
        engine: where they are stored.
        limit: how many are allowed.
        raise_alert: the feed's method.

    Attributes:
        limit: as given.
        count: how many there were at the last look.
    """

    def __init__(
        self, engine: Engine, limit: int, raise_alert: Callable[[Any], Awaitable[Any]]
    ) -> None:
        self._engine = engine
        self._raise_alert = raise_alert
        self._raised = False
        self.limit = limit
        self.count = 0

    async def look(self) -> None:
        """Count the series; raise the alert if there are too many, once for each bound.

        Raises:
            Problem: if the database or the alert fails.
        """
        ((self.count,),) = await self._engine.fetch(
            'SELECT series FROM series_version WHERE "only" = 1'
        )
        if self.count < ALERT_AT * self.limit:
            self._raised = False
        elif not self._raised:
            # The id and the content are the same in every process and after a restart, so a repeat
            # changes nothing.
            await self._raise_alert(
                {
                    "id": f"alphapulse-max-series-{self.limit}",
                    "title": "The bound of metric series is near",
                    "message": f"{ALERT_AT:.0%} of the {self.limit} series that "
                    "database.max_series allows exist. Points of new series are refused beyond it.",
                    "severity": "warning",
                    "source": "alphapulse",
                }
            )
            self._raised = True

    async def watch_forever(self) -> None:
        """Look once a minute, until cancelled."""
        while True:
            try:
                await self.look()
            except Problem as problem:
                logger.debug("the series were not counted: %s", problem.detail)
            await asyncio.sleep(EVERY_SECONDS)
