"""Metric points that a trading thread hands over without waiting for their storage.

The queue is bounded: beyond the bound points are refused and counted, because trading must not wait
and memory must not fill. Queued points are stored in batches, in order. While the database is away
they wait; only then should the bound be reached.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final

from alphapulse_api.domain.errors import DashboardClosed, Unavailable
from alphapulse_api.domain.host_objects import fields_of
from alphapulse_api.domain.times import now
from alphapulse_api.record.batches import Refused
from alphapulse_api.record.inputs import Record, Records, listing
from alphapulse_api.record.stats import FeedCounters
from alphapulse_api.runtime.slices import finish

logger = logging.getLogger(__name__)

LIMIT: Final = 100_000  # points that may wait: some 100 MB at the worst
BATCH: Final = 5000  # points a transaction, about
METHOD: Final = "record_metrics"
REFUSALS: Final = ("full", "invalid", "failed")
RETRY_SECONDS: Final = 0.5
CLOSE_SECONDS: Final = 5.0  # for the points that still wait at the end
MAX_FAILURES: Final = 50  # of a batch that is stored in parts; after that, the rest is lost


class PointQueue:
    """Takes points from any thread, and stores them from one task.

    Args:
        record: stores the valid points of a list and publishes them; fills its second argument
            with the refusals of the others, by position.
        counters: counts the points together with the records of other calls.
        limit: points that may wait.

    Attributes:
        counters: as given.
        refused: points that were not stored, by reason, one of REFUSALS.
    """

    def __init__(
        self,
        record: Callable[[list[Any], Refused], Awaitable[int]],
        counters: FeedCounters,
        limit: int = LIMIT,
    ) -> None:
        self._record = record
        self.counters = counters
        self._limit = limit
        self._lock = counters.lock
        # Only the task removes points.
        self._given: deque[list[Any]] = deque()
        self._put = 0
        self._stored = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._awake = False
        self._closed = False
        self.refused: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<PointQueue waiting={self.waiting} refused={dict(self.refused)}>"

    @property
    def waiting(self) -> int:
        """Points taken and not yet stored."""
        return self._put - self._stored

    def open(self) -> None:
        """Accept points, even after `close`."""
        with self._lock:
            self._closed = False

    def put(self, points: Record | Records) -> int:
        """Queue a point or a list, unless too many wait; returns how many were queued: all or none.

        Points without a time get the present one. The caller must not change points afterwards.

        Raises:
            DashboardClosed: after `close`, because nothing would store them.
            ValidationProblem: if it is neither a point nor a list, or the list is too long.
        """
        at = now()
        alone = type(points) is dict or fields_of(points) is not None
        given = [points] if alone else finish(listing(points))
        timed = [_timed(point, at) for point in given]
        count = len(timed)
        with self._lock:
            if self._closed:
                raise DashboardClosed
            if self.waiting + count > self._limit:
                self.refused["full"] += count
                self.counters.dropped += count
                return 0
            self._put += count
            self.counters.taken += count
            self._given.append(timed)
            if not self._awake and self._loop is not None:
                self._awake = True
                self._loop.call_soon_threadsafe(self._work.set)
        return count

    async def store_forever(self) -> None:
        """Store queued points, until cancelled."""
        self._loop = asyncio.get_running_loop()
        if self._given:
            self._work.set()
        while True:
            await self._work.wait()
            self._work.clear()
            self._idle.clear()
            # Before the loop below: a later `put` wakes this task again.
            self._awake = False
            while self._given:
                await self._store(self._next_batch())
            self._idle.set()

    async def close(self) -> None:
        """Accept no more points, and wait a bounded time until the queued ones are stored."""
        with self._lock:
            self._closed = True
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                if self.waiting:
                    # The task may have been woken without having run yet.
                    self._idle.clear()
                    self._work.set()
                    await self._idle.wait()
        except TimeoutError:
            logger.error("%d metric points could not be stored before the end", self.waiting)

    def _next_batch(self) -> list[Any]:
        batch: list[Any] = []
        while self._given and (not batch or len(batch) + len(self._given[0]) <= BATCH):
            batch.extend(self._given.popleft())
        return batch

    async def _store(self, batch: list[Any]) -> None:
        parts, failures = deque([batch]), 0
        while parts:
            part = parts.popleft()
            refused: Refused = {}
            try:
                await self._record(part, refused)
            except Unavailable:
                parts.appendleft(part)
                await asyncio.sleep(RETRY_SECONDS)
            except Exception as error:
                # A host's own store may raise anything: find the points it cannot take.
                if failures == 0:
                    logger.exception("metric points could not be stored; storing them in parts")
                failures += 1
                if len(part) == 1 or failures > MAX_FAILURES:
                    self._settle(len(part), "failed", [repr(error)] * len(part))
                else:
                    middle = len(part) // 2
                    parts.extendleft((part[middle:], part[:middle]))
            else:
                self._settle(len(part), "invalid", [fault.error for fault in refused.values()])

    def _settle(self, count: int, reason: str, faults: Sequence[str]) -> None:
        """Count points as stored, except those with a fault."""
        if faults and not self.refused[reason]:
            logger.warning("metric points that were handed over are refused: %s", faults[0])
        with self._lock:
            self._stored += count
            if faults:
                self.refused[reason] += len(faults)
        self.counters.settle(METHOD, count, faults)


def _timed(point: Any, at: datetime) -> Any:
    """A point with a time; it is checked later, so anything else is returned as it is."""
    if type(point) is dict:
        return point if point.get("timestamp") is not None else {**point, "timestamp": at}
    try:
        fields = fields_of(point)
        if fields is None or fields.get("timestamp") is not None:
            return point if fields is None else dict(fields)
        return {**fields, "timestamp": at}
    except Exception:
        # The later check refuses an object whose fields cannot be read, and only that one.
        return point
