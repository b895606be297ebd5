"""The way of metric points into the store: what is sent at once is stored as one batch."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from alphapulse_api.data.engine import Engine, Transaction
from alphapulse_api.data.rollups.write import store_points
from alphapulse_api.data.series import Key, SeriesCatalogue
from alphapulse_api.encoding import canonical
from alphapulse_api.errors import Unavailable
from alphapulse_api.tasks import heard
from alphapulse_api.times import to_micros

FULL: Final = 10_000  # points: a batch of so many takes in no others

Told = tuple[Key, int, float | None]  # series, microseconds since the epoch, value


class _Batch:
    """The points of callers that are stored together."""

    __slots__ = ("callers", "closed", "done", "points")

    def __init__(self) -> None:
        self.points: list[Told] = []
        self.callers = 0
        self.closed = False
        self.done: asyncio.Task[None] | None = None


class PointWriter:
    """Stores metric points, and their rollups with them.

    Callers that come while a commit is under way share one batch: a rollup that all of them change
    is read and written once. And since a transaction then has one batch of points, it locks all its
    series in one order, so that processes do not wait for each other in a ring.

    Args:
        engine: where to.
        series: the catalogue.
    """

    def __init__(self, engine: Engine, series: SeriesCatalogue) -> None:
        self._engine = engine
        self._series = series
        self._batch = _Batch()
        self._batch.closed = True
        self._lock = threading.Lock()  # an engine's work may run on a thread of its own

    async def add(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Store validated points; returns once they are."""
        told = [
            (
                (point["metric_type"], point["name"], canonical(point["labels"])),
                to_micros(point["timestamp"]),
                # Zero has no sign: not every store keeps one.
                point["value"] or (None if point["value"] is None else 0.0),
            )
            for point in points
        ]
        batch = self._join(told)
        assert batch.done is not None
        try:
            # A caller that goes away does not take the others' points with it.
            await asyncio.shield(batch.done)
        except Unavailable:
            raise
        except Exception:
            if batch.callers == 1:
                raise
            # Whosever fault it was: each for itself.
            await self._store(told)

    def _join(self, told: list[Told]) -> _Batch:
        with self._lock:
            batch = self._batch
            if not batch.closed and len(batch.points) + len(told) <= FULL:
                batch.points += told
                batch.callers += 1
                return batch
            waits_for = None if batch.closed else batch.done
            self._batch = batch = _Batch()
            batch.points += told
            batch.callers = 1
        batch.done = asyncio.create_task(self._run(batch, waits_for))
        batch.done.add_done_callback(heard)
        return batch

    async def _run(self, batch: _Batch, waits_for: asyncio.Task[None] | None) -> None:
        if waits_for is not None:
            await asyncio.wait({waits_for})
        try:
            await self._store(batch.points, batch)
        finally:
            batch.closed = True  # it may have been refused before it was begun

    async def _store(self, told: Sequence[Told], batch: _Batch | None = None) -> None:
        async def work(transaction: Transaction) -> dict[Key, int]:
            if batch is not None:
                with self._lock:
                    batch.closed = True
            points: defaultdict[Key, dict[int, float | None]] = defaultdict(dict)
            for key, at, value in told:
                points[key][at] = value
            numbers = await self._series.numbers(transaction, points)
            numbered = {numbers[key]: series for key, series in points.items()}
            await store_points(self._engine, transaction, numbered)
            return numbers

        # Remembered only now: a number of a transaction that failed would be nobody's.
        self._series.remember(await self._engine.write(work))
