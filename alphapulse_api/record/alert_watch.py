"""The base of what looks every few seconds, and raises an alert where something is due."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar

from alphapulse_api.domain.errors import Problem

logger = logging.getLogger(__name__)

Alert = Mapping[str, Any]


class AlertWatch(ABC):
    """Raises each alert once as long as it stays due.

    The id of an alert is the same in every process and after a restart, so that a repeat changes
    nothing.

    Args:
        raise_alert: the feed's method.

    Attributes:
        every_seconds: between two looks.
        subject: of the looks, for the log.
    """

    every_seconds: ClassVar[float]
    subject: ClassVar[str]

    def __init__(self, raise_alert: Callable[[Any], Awaitable[Any]]) -> None:
        self._raise_alert = raise_alert
        self._raised: set[str] = set()  # ids of alerts that are still due

    @abstractmethod
    async def due(self) -> Sequence[Alert]:
        """The alerts that are due; raises `Problem` if the database fails."""

    async def look(self) -> None:
        """Raise the alerts that are due and were not before.

        Raises:
            Problem: if the database or an alert fails.
        """
        alerts = await self.due()
        self._raised &= {alert["id"] for alert in alerts}
        for alert in alerts:
            if alert["id"] not in self._raised:
                await self._raise_alert(alert)
                self._raised.add(alert["id"])

    async def watch_forever(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except Problem as problem:
                logger.debug("%s: not looked at: %s", self.subject, problem.detail)
            await asyncio.sleep(self.every_seconds)
