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
KEYS: Final = 10  # with the most series, that alerts may be about


class SeriesWatch:
    """Counts the series.

    Args:
        engine: where they are stored.
        limit: how many are allowed.
        limit_of_key: how many an API key may make.
        raise_alert: the feed's method.

    Attributes:
        limit: as given.
        limit_of_key: as given.
        count: how many there were at the last look.
        count_of_key: the most that an API key had made.
    """

    def __init__(
        self,
        engine: Engine,
        limit: int,
        limit_of_key: int,
        raise_alert: Callable[[Any], Awaitable[Any]],
    ) -> None:
        self._engine = engine
        self._raise_alert = raise_alert
        self._raised: set[str] = set()  # ids of alerts
        self.limit = limit
        self.limit_of_key = limit_of_key
        self.count = 0
        self.count_of_key = 0

    async def look(self) -> None:
        """Count the series; raise the alert if there are too many, once for each bound.

        Raises:
            Problem: if the database or the alert fails.
        """
        ((self.count,),) = await self._engine.fetch(
            'SELECT series FROM series_version WHERE "only" = 1'
        )
        alerts = []
        if self.count >= ALERT_AT * self.limit:
            alerts.append(
                _alert(
                    f"alphapulse-max-series-{self.limit}",
                    f"{ALERT_AT:.0%} of the {self.limit} series that database.max_series allows "
                    "exist. Points of new series are refused beyond it.",
                )
            )
        owners = await self._engine.fetch(
            "SELECT owner, series FROM series_owners ORDER BY series DESC, owner LIMIT $1", KEYS
        )
        self.count_of_key = owners[0][1] if owners else 0
        for owner, count in owners:
            if count >= ALERT_AT * self.limit_of_key:
                alerts.append(
                    _alert(
                        f"alphapulse-max-series-per-key-{self.limit_of_key}-{owner}",
                        f"The API key {owner} has made {ALERT_AT:.0%} of the {self.limit_of_key} "
                        "series that database.max_series_per_key allows. Its points of new series "
                        "are refused beyond it.",
                    )
                )
        for alert in alerts:
            if alert["id"] not in self._raised:
                await self._raise_alert(alert)
        self._raised = {alert["id"] for alert in alerts}

    async def watch_forever(self) -> None:
        """Look once a minute, until cancelled."""
        while True:
            try:
                await self.look()
            except Problem as problem:
                logger.debug("the series were not counted: %s", problem.detail)
            await asyncio.sleep(EVERY_SECONDS)


def _alert(id_: str, message: str) -> dict[str, str]:
    """An alert: the same in every process and after a restart, so a repeat changes nothing."""
    return {
        "id": id_,
        "title": "The bound of metric series is near",
        "message": message,
        "severity": "warning",
        "source": "alphapulse",
    }
