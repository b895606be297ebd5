"""Metric points that a trading thread hands over without waiting for their storage.

What waits is bounded: beyond the bound points are refused and counted, for the trading must not
wait and the memory must not fill. What was taken is stored in batches, in its order; while the
database is away it waits, and only then may the bound be reached.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from alphapulse_api.domain.errors import DashboardClosed, Unavailable, ValidationProblem
from alphapulse_api.domain.times import now

logger = logging.getLogger(__name__)

Unchecked = Sequence[Mapping[str, Any]]

LIMIT: Final = 100_000  # points that may wait: some 100 MB at the worst
BATCH: Final = 5000  # points a transaction, about
REFUSALS: Final = ("full", "invalid", "failed")
RETRY_SECONDS: Final = 0.5
CLOSE_SECONDS: Final = 5.0  # for what still waits at the end


class PointQueue:
    """Takes points from any thread, and stores them from one task.

    Args:
        record: validates, stores and tells of a batch.
        limit: points that may wait.

    Attributes:
        refused: points that were not stored, by reason, one of REFUSALS.
    """

    def __init__(self, record: Callable[[Unchecked], Awaitable[int]], limit: int = LIMIT) -> None:
        self._record = record
        self._limit = limit
        self._lock = threading.Lock()
        # Only the task takes away.
        self._given: deque[Unchecked] = deque()
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
        """Take points, also after `close`."""
        with self._lock:
            self._closed = False

    def put(self, points: Unchecked) -> int:
        """Take points, unless too many wait; returns how many were taken: all or none.

        Those without a time are of now. The others must not be changed afterwards.

        Raises:
            DashboardClosed: after `close`: nobody would store them.
        """
        at, count = now(), len(points)
        # What is no point at all is found out, and counted, where all of them are checked.
        timed = [
            {**p, "timestamp": at} if isinstance(p, Mapping) and "timestamp" not in p else p
            for p in points
        ]
        with self._lock:
            if self._closed:
                raise DashboardClosed
            if self.waiting + count > self._limit:
                self.refused["full"] += count
                return 0
            self._put += count
            self._given.append(timed)
            if not self._awake and self._loop is not None:
                self._awake = True
                self._loop.call_soon_threadsafe(self._work.set)
        return count

    async def store_forever(self) -> None:
        """Store what comes, until cancelled."""
        self._loop = asyncio.get_running_loop()
        if self._given:
            self._work.set()
        while True:
            await self._work.wait()
            self._work.clear()
            self._idle.clear()
            # Before the look: what is put from here on wakes us again.
            self._awake = False
            while self._given:
                await self._store(self._next_batch())
            self._idle.set()

    async def close(self) -> None:
        """Take no more points, and wait for those taken, for a bounded time."""
        with self._lock:
            self._closed = True
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                if self.waiting:
                    # It may have been woken and not have run yet.
                    self._idle.clear()
                    self._work.set()
                    await self._idle.wait()
        except TimeoutError:
            logger.error("%d metric points could not be stored before the end", self.waiting)

    def _next_batch(self) -> list[Mapping[str, Any]]:
        batch: list[Mapping[str, Any]] = []
        while self._given and (not batch or len(batch) + len(self._given[0]) <= BATCH):
            batch.extend(self._given.popleft())
        return batch

    async def _store(self, batch: Unchecked) -> None:
        wanted = len(batch)
        while batch:
            try:
                await self._record(batch)
                break
            except Unavailable:
                await asyncio.sleep(RETRY_SECONDS)
            except ValidationProblem as problem:
                batch = self._without_invalid(batch, problem)
            except Exception:
                # A host's accessor may raise anything: later points must not suffer for it.
                logger.exception("%d metric points that were handed over are lost", len(batch))
                self.refused["failed"] += len(batch)
                break
        self._stored += wanted

    def _without_invalid(self, batch: Unchecked, problem: ValidationProblem) -> Unchecked:
        pointers = (re.match(r"/(\d+)", error.get("pointer", "")) for error in problem.errors)
        wrong = {int(found[1]) for found in pointers if found}
        self._refuse(len(wrong) or len(batch), problem.detail)
        return [point for number, point in enumerate(batch) if number not in wrong] if wrong else []

    def _refuse(self, count: int, detail: str) -> None:
        if not self.refused["invalid"]:
            logger.warning("metric points that were handed over are not valid: %s", detail)
        self.refused["invalid"] += count
