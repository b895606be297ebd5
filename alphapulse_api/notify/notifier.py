"""Sends messages to people, in the one process that has the lease for it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from alphapulse_api.config import NotifyConfig
from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.domain.times import now, to_micros
from alphapulse_api.notify.channels import Channel
from alphapulse_api.notify.planning import route
from alphapulse_api.notify.quiet_hours import QuietHours
from alphapulse_api.notify.routing import Router
from alphapulse_api.notify.teller import Teller
from alphapulse_api.notify.windows import SECOND, Windows
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.job_leases import JobLease
from alphapulse_api.storage.tables.delivery_queue import DeliveryQueue
from alphapulse_api.storage.tables.delivery_rows import New, key_of
from alphapulse_api.storage.tables.notifying import renew

logger = logging.getLogger(__name__)

JOB: Final = "notify"
POLL_SECONDS: Final = 1.0  # between two looks for what other processes wrote
IDLE_SECONDS: Final = 3600.0  # the same where each write wakes the sender
RENEW: Final = 3600 * SECOND  # between two renewals of the row that says that somebody sends
GONE: Final = "this receiver is not configured any more"


def present() -> int:
    """Now, in microseconds since the epoch."""
    return to_micros(now())


class Notifier:
    """Routes changes of alerts to receivers, and lets each receiver be told what is due.

    Args:
        engine: where changes and deliveries are stored.
        config: receivers and routes.
        channels: the way to each receiver.
        link: the URL of the console, for messages; empty: unknown.
        alone: whether no other process sends for this database.
        polls: whether to look for changes of alerts once a second, because not all of them wake
            the sender.
        clock: microseconds since the epoch.
        chance: random numbers between 0 and 1.
    """

    def __init__(
        self,
        engine: Engine,
        config: NotifyConfig,
        channels: Mapping[str, Channel],
        link: str = "",
        *,
        alone: bool = False,
        polls: bool = True,
        clock: Callable[[], int] = present,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._engine = engine
        self._lease = JobLease(engine, JOB, alone=alone)
        self._router = Router(config)
        self._clock = clock
        self._channels = channels
        self._poll = POLL_SECONDS if polls else IDLE_SECONDS
        self._woken = asyncio.Event()
        self._renewed = 0
        self.waiting: Mapping[str, int] = {}
        self.sent: Counter[str] = Counter(dict.fromkeys(channels, 0))
        self.failed: Counter[str] = Counter(dict.fromkeys(channels, 0))
        self._tellers = {
            name: Teller(
                name,
                channel,
                self._router,
                QuietHours(config.receivers[name].quiet_hours),
                self,
                engine=engine,
                retry_for=round(config.retry_for * SECOND),
                link=link,
                clock=clock,
                chance=chance,
            )
            for name, channel in channels.items()
        }

    def __repr__(self) -> str:
        return f"<Notifier of {', '.join(self._channels)}>"

    @property
    def sends(self) -> bool:
        """Whether there are receivers."""
        return bool(self._channels)

    def wake(self) -> None:
        """Look at once for changes of alerts and silences."""
        self._woken.set()

    async def run_forever(self) -> None:
        """Send whenever this process has the lease, until cancelled."""
        if self.sends:
            await self._lease.run_forever(self._work)

    async def __aenter__(self) -> Notifier:
        # From now on all processes note changes of alerts.
        if self.sends:
            await renew(self._engine, self._clock())
        return self

    async def __aexit__(self, *_: object) -> None:
        for channel in self._channels.values():
            await channel.close()

    async def _work(self, epoch: int) -> None:
        queue = DeliveryQueue(self._engine, partial(self._lease.check, epoch=epoch))
        windows = Windows()
        telling: dict[str, asyncio.Task[None]] = {}
        begun = False
        try:
            while True:
                self._woken.clear()
                pause = self._poll
                try:
                    if not begun:
                        await self._begin(queue)
                        begun = True
                    pause = await self._look(queue, windows, telling)
                except Unavailable as outage:  # already logged once, by the monitor
                    logger.debug("notifications wait: %s", outage.detail)
                    pause = POLL_SECONDS
                try:
                    async with asyncio.timeout(pause):
                        await self._woken.wait()
                except TimeoutError:
                    pass
        finally:
            for task in telling.values():
                task.cancel()
            await asyncio.gather(*telling.values(), return_exceptions=True)

    async def _begin(self, queue: DeliveryQueue) -> None:
        """Let all processes note changes of alerts, and give up what nobody can be told."""
        await self._renew()
        for stranger in await queue.strangers(self._channels):
            await queue.abandon(stranger, GONE)
        self.waiting = await queue.waiting()

    async def _renew(self) -> None:
        await renew(self._engine, self._clock())
        self._renewed = self._clock()

    async def _look(
        self, queue: DeliveryQueue, windows: Windows, telling: dict[str, asyncio.Task[None]]
    ) -> float:
        """Route what is new, and begin to tell idle receivers what is due.

        Returns:
            After how many seconds to look again.

        Raises:
            LeaseLost: if another process sends by now.
        """
        done = [name for name, task in telling.items() if task.done()]
        for name in done:
            telling.pop(name).result()
        routed = False
        while await self._route(queue, windows):
            routed = True
        if done or routed:
            self.waiting = await queue.waiting()
        if self._clock() >= self._renewed + RENEW:
            await self._renew()
        pauses = [self._poll]
        idle = [name for name in self._tellers if name not in telling]
        for name, due in (await queue.next_due(idle)).items():
            at = self._clock()
            teller = self._tellers[name]
            if (begin := max(due, at + teller.pace.wait(at))) <= at:
                task = asyncio.create_task(teller.tell(queue), name=f"messages to {name}")
                task.add_done_callback(lambda _: self._woken.set())
                telling[name] = task
            else:
                pauses.append((begin - at) / SECOND)
        return min(pauses)

    async def _route(self, queue: DeliveryQueue, windows: Windows) -> bool:
        """Route the oldest changes; returns whether there were any."""
        changes = await queue.changes()
        if not changes:
            return False
        told = await queue.told(change.alert for change in changes if change.alert is not None)
        at = self._clock()
        planned = [
            New(plan.receiver, plan.cause, plan.group, change.created_at, plan.due, change.alert)
            for change in changes
            if change.alert is not None
            for plan in route(
                self._router, windows, change.cause, change.alert, told[key_of(change.alert)], at
            )
        ]
        await queue.route(changes, planned)
        return True
