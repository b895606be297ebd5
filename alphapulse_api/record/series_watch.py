"""Watches the number of series, and raises an alert before their bound is reached."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final

from alphapulse_api.record.alert_watch import Alert, AlertWatch
from alphapulse_api.storage.engine import Engine

ALERT_AT: Final = 0.9  # of the bound
KEYS: Final = 10  # with the most series, that alerts may be about


class SeriesWatch(AlertWatch):
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

    every_seconds: ClassVar = 60.0
    subject: ClassVar = "series of metrics"

    def __init__(
        self,
        engine: Engine,
        limit: int,
        limit_of_key: int,
        raise_alert: Callable[[Any], Awaitable[Any]],
    ) -> None:
        super().__init__(raise_alert)
        self._engine = engine
        self.limit = limit
        self.limit_of_key = limit_of_key
        self.count = 0
        self.count_of_key = 0

    async def due(self) -> list[Alert]:
        """Count the series; the alerts of the bounds that are near."""
        ((self.count,),) = await self._engine.fetch(
            'SELECT series FROM series_version WHERE "only" = 1'
        )
        alerts: list[Alert] = []
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
        return alerts


def _alert(id_: str, message: str) -> Alert:
    return {
        "id": id_,
        "title": "The bound of metric series is near",
        "message": message,
        "severity": "warning",
        "source": "alphapulse",
    }
