"""A notifier with a clock that a test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from alphapulse_api.config import NotifyConfig, ReceiverConfig
from alphapulse_api.domain.times import from_micros
from alphapulse_api.notify.channels import channels_of
from alphapulse_api.notify.notifier import Notifier, present
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from tests.records import alert
from tests.waiting import until

SECOND = 1_000_000


class Sending:
    """A notifier on a store, and what it is told of.

    Attributes:
        store: where alerts are raised.
        notifier: woken by nothing but this.
    """

    def __init__(self, engine: Engine, config: NotifyConfig) -> None:
        self.store = Accessors(engine, 300.0, {})
        self._ahead = 0
        self.notifier = Notifier(
            engine,
            config,
            channels_of(config),
            "https://d.example.com/console/",
            alone=True,
            polls=False,
            clock=self.now,
            chance=lambda: 0.0,
        )

    def now(self) -> int:
        return present() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let so much time pass, and let the notifier look."""
        self._ahead += round(seconds * SECOND)
        self.notifier.wake()

    async def raise_alert(self, id_: str = "a1", **fields: Any) -> None:
        """Raise an alert now; its title is its id."""
        at = from_micros(self.now())
        given = {"title": id_, "created_at": at, "source": "risk", **fields}
        await self.store.alerts.add_alert(alert(id_, **given))
        self.notifier.wake()

    async def acknowledge(self, id_: str = "a1") -> None:
        await self.store.alerts.acknowledge_alert(id_, "ann")
        self.notifier.wake()

    async def resolve(self, id_: str = "a1") -> None:
        await self.store.alerts.resolve_alert(id_)
        self.notifier.wake()

    async def log(self, **filters: Any) -> list[dict[str, Any]]:
        """The log of notifications, in the order of the changes."""
        return list(await self.store.notifications.get_notifications(**filters, sort="asc"))

    async def states(self, **filters: Any) -> list[tuple[str, str, str]]:
        """Of each notification the receiver, the cause and the state, sorted."""
        rows = await self.log(**filters)
        return sorted((row["receiver"], row["cause"], row["state"]) for row in rows)

    async def until_state(self, state: str, count: int = 1, **filters: Any) -> None:
        """Wait until so many notifications are in a state."""

        async def reached() -> bool:
            return len(await self.log(state=[state], limit=10_000, **filters)) >= count

        await until(reached)

    async def routed(self) -> None:
        """Wait until every change is routed."""

        async def none_left() -> bool:
            return not await self.store.engine.fetch("SELECT 1 FROM deliveries WHERE receiver = ''")

        await until(none_left)

    async def settled(self) -> None:
        """Wait until all that is due has been looked at, and nothing is being sent."""
        engine = self.store.engine

        async def idle() -> bool:
            self.notifier.wake()
            rows = await engine.fetch(
                "SELECT 1 FROM deliveries WHERE receiver = '' OR due_at <= $1 LIMIT 1", self.now()
            )
            return not rows

        await until(idle)


@asynccontextmanager
async def sending(engine: Engine, *, running: bool = True, **fields: Any) -> AsyncIterator[Sending]:
    """A notifier that runs; without intervals unless some are given."""
    names: dict[str, ReceiverConfig] = fields.pop("receivers")
    intervals = {"group_wait": 0, "group_interval": 0, "repeat_interval": 0}
    made = Sending(engine, NotifyConfig(receivers=names, **{**intervals, **fields}))
    async with made.notifier:
        task = asyncio.create_task(made.notifier.run_forever()) if running else None
        try:
            yield made
        finally:
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
