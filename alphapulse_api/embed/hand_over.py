"""The calls that a host hands to a dashboard in a thread, carried out in the dashboard's loop."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from alphapulse_api.domain.errors import DashboardClosed
from alphapulse_api.embed.calls import STAMPS, Call, is_timed, partition_of, stamped_record
from alphapulse_api.embed.partitions import Partitions
from alphapulse_api.embed.queue import LINGER_SECONDS, CallQueue, call_of
from alphapulse_api.embed.storing import Reasons, carried_out
from alphapulse_api.record.counting import UNSTORED, counting, reason_of
from alphapulse_api.record.feed import Feed
from alphapulse_api.record.stats import FeedCounters, FeedStats
from alphapulse_api.runtime.slices import Slices, Steps
from alphapulse_api.runtime.supervisor import Supervisor

logger = logging.getLogger(__name__)

TAKEN_TOGETHER: Final = 1000  # calls


class HandOver:
    """Takes calls from any thread, and carries them out in the running loop.

    Args:
        feed: the feed whose methods are called.
        max_depth: the most records that may be queued and not yet settled.

    Attributes:
        queue: accepts the calls.
    """

    def __init__(self, feed: Feed, max_depth: int) -> None:
        self._feed = feed
        self._counters = FeedCounters()
        self._loop = asyncio.get_running_loop()
        self.queue = CallQueue(self._counters, max_depth, self._wake)
        self._partitions = Partitions(feed, self)
        self._slices = Slices()
        self._number = 0
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._before: Counter[str] = Counter()  # unfinished calls by partition; later ones wait
        self._work = asyncio.Event()
        self._taking = asyncio.Lock()
        self._tasks = Supervisor()
        self._tasks.start(self._partitions.run, "the storing of records handed over")
        self._tasks.start(self._take_forever, "the taking of records handed over")

    def stats(self, *, closed: bool) -> FeedStats:
        """Counts of the calls, by outcome; for any thread."""
        self.queue.count()
        return self._counters.stats(state="closed" if closed else "running")

    def close(self, seconds: float) -> None:
        """Refuse further calls, and wait until the queued ones are settled; blocks the host."""
        self.queue.close(DashboardClosed)
        self.queue.wait_until_settled(seconds)

    def abandon(self) -> None:
        """Count the records that were not stored before the loop ended as refused."""
        self.queue.count()
        if (lost := self._counters.depth) > 0:
            self._counters.refuse("", lost, UNSTORED)
            logger.error("%d records could not be stored before the end", lost)

    async def carry_out(self, call: Call) -> Any:
        """Carry out a call after the earlier ones of its partition; return its result."""
        try:
            work = self._in_its_turn(call)
            return await counting(self._counters, call.method, call.count, work)
        finally:
            self.queue.made_room()

    async def _in_its_turn(self, call: Call) -> Any:
        await self._take()
        partition = partition_of(call.method)
        if self._before[partition]:
            return await self._follow(partition, call)
        return await carried_out(self._feed, call)

    async def _follow(self, partition: str, call: Call) -> Any:
        answer = self._loop.create_future()
        self._give(partition, call)
        number = self._number
        self._answers[number] = answer
        try:
            return await answer
        finally:
            del self._answers[number]

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._work.set)
        except RuntimeError:
            pass  # the loop has ended; calls that wait report it

    async def _take_forever(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            self.queue.attend()
            some = True
            while some:
                await asyncio.sleep(LINGER_SECONDS)  # let calls accumulate
                some = await self._take()

    async def _take(self) -> bool:
        """Pass the calls handed over so far to the partitions; return whether there were any."""
        some = False
        async with self._taking:
            while calls := self.queue.take_now(TAKEN_TOGETHER):
                some = True
                for given in calls:
                    call = call_of(given)
                    # Stamp before storing: a retry must be recognised as a repeat.
                    count = len(call.records)
                    await self._slices.run(self._stamping(call))
                    if len(call.records) or not count:
                        self._give(partition_of(call.method), call)
        return some

    def _stamping(self, call: Call) -> Steps[None]:
        records = []
        for record in call.records:
            try:
                records.append(stamped_record(record, call.method, call.at))
            except Exception as error:
                self._counters.refuse(call.method, 1, reason_of(error))
            yield
        call.records = records
        call.timed = call.method in STAMPS and is_timed(records, call.method)

    def _give(self, partition: str, call: Call) -> None:
        self._number += 1
        self._before[partition] += 1
        self._partitions.put(self._number, call)

    async def settled(self, calls: Sequence[tuple[int, Call, Reasons]]) -> None:
        """Count the results of calls without a waiting caller."""
        for _, call, reasons in calls:
            self._before[partition_of(call.method)] -= 1
            self._counters.settle(call.method, call.count, reasons)
        self.queue.made_room()

    async def returned(self, number: int, call: Call, result: Any) -> None:
        """Hand a result to its caller."""
        self._before[partition_of(call.method)] -= 1
        if (answer := self._answers.get(number)) is not None and not answer.done():
            answer.set_result(result)

    async def raised(self, number: int, call: Call, error: Exception) -> None:
        """Hand an error to its caller."""
        self._before[partition_of(call.method)] -= 1
        if (answer := self._answers.get(number)) is not None and not answer.done():
            answer.set_exception(error)
