"""Runs a host's calls in the dashboard's loop, in partitions: points, trades and all others."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol

from alphapulse_api.domain.errors import DashboardClosed, Unavailable
from alphapulse_api.embed.calls import PARTITIONS, Call, partition_of
from alphapulse_api.embed.storing import (
    Numbered,
    Reasons,
    carried_out,
    is_merged,
    next_run,
    stored_alone,
    stored_each,
)
from alphapulse_api.record.feed import Feed

RETRY_SECONDS: Final = 0.5  # while the database is away


class Outcomes(Protocol):
    """Receives the outcomes of calls, by number."""

    async def settled(self, calls: Sequence[tuple[int, Call, Reasons]]) -> None:
        """Calls without a waiting caller are settled; each has the reasons of refused records."""

    async def returned(self, number: int, call: Call, result: Any) -> None:
        """A call has returned."""

    async def raised(self, number: int, call: Call, error: Exception) -> None:
        """A call has failed."""


class _Partition:
    """A queue of calls that are carried out in order."""

    __slots__ = ("calls", "work")

    def __init__(self) -> None:
        self.calls: deque[Numbered] = deque()
        self.work = asyncio.Event()


class Partitions:
    """Carries out calls, in order within each partition.

    Args:
        feed: the feed whose methods are called.
        outcomes: receives the outcomes of the calls.

    Attributes:
        records: the number of records in calls that are not carried out yet.
        room: set whenever that number falls.
    """

    def __init__(self, feed: Feed, outcomes: Outcomes) -> None:
        self._feed = feed
        self._outcomes = outcomes
        self._partitions = {partition: _Partition() for partition in PARTITIONS}
        self._ended = False
        self.records = 0
        self.room = asyncio.Event()

    def put(self, number: int, call: Call) -> None:
        """Queue a call behind the others of its partition."""
        partition = self._partitions[partition_of(call.method)]
        partition.calls.append((number, call))
        self.records += call.count
        partition.work.set()

    def end(self) -> None:
        """Let `run` return once nothing is left."""
        self._ended = True
        for partition in self._partitions.values():
            partition.work.set()

    async def run(self) -> None:
        """Run the queued calls, until `end`."""
        async with asyncio.TaskGroup() as group:
            for partition in self._partitions.values():
                group.create_task(self._run(partition))

    async def _run(self, partition: _Partition) -> None:
        while True:
            if not partition.calls:
                if self._ended:
                    return
                partition.work.clear()
                await partition.work.wait()
                continue
            run = next_run(partition.calls)
            if is_merged(run[0][1]):
                await self._settle(partition, run, partial(stored_each, self._feed, run))
            else:
                await asyncio.gather(
                    *(self._carry_out(partition, number, call) for number, call in run)
                )
            self.records -= sum(call.count for _, call in run)
            self.room.set()

    async def _carry_out(self, partition: _Partition, number: int, call: Call) -> None:
        if not call.waits:
            await self._settle(partition, [(number, call)], partial(self._alone, call))
            return
        try:
            result = await carried_out(self._feed, call)
        except Exception as error:
            await self._outcomes.raised(number, call, error)
        else:
            await self._outcomes.returned(number, call, result)

    async def _alone(self, call: Call) -> list[Reasons]:
        return [await stored_alone(self._feed, call)]

    async def _settle(
        self,
        partition: _Partition,
        run: Sequence[Numbered],
        store: Callable[[], Awaitable[list[Reasons]]],
    ) -> None:
        while True:
            try:
                reasons = await store()
                break
            except Unavailable as error:
                await self._refuse_those_who_wait(partition, error)
                await asyncio.sleep(RETRY_SECONDS)
            except DashboardClosed:
                return  # they stay unsettled, so the host can send them to a successor
        await self._outcomes.settled(
            [(number, call, why) for (number, call), why in zip(run, reasons, strict=True)]
        )

    async def _refuse_those_who_wait(self, partition: _Partition, error: Unavailable) -> None:
        """Fail calls with a waiting caller that are queued behind one that cannot be stored now."""
        waiting = [(number, call) for number, call in partition.calls if call.waits]
        partition.calls = deque(
            (number, call) for number, call in partition.calls if not call.waits
        )
        for number, call in waiting:
            self.records -= call.count
            await self._outcomes.raised(number, call, error)
