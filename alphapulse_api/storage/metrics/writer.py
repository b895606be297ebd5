"""Stores metric points: points of concurrent callers are stored as one batch."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import islice
from typing import Final

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.domain.points import Key, Place, Points
from alphapulse_api.domain.series_limits import OWNER
from alphapulse_api.domain.times import CLOCK_AHEAD
from alphapulse_api.runtime.detached import Detached
from alphapulse_api.storage.bulk import release
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.metrics.price_marks import mark_points
from alphapulse_api.storage.metrics.rollups.write import lock_spans, store_points
from alphapulse_api.storage.metrics.series import AHEAD, SeriesCatalogue
from alphapulse_api.storage.metrics.series_creation import Reference
from alphapulse_api.storage.metrics.series_owners import Owned
from alphapulse_api.storage.outbox import invalidation_of_series, of_points

A_TURN: Final = 2_000  # points processed before a yield to the loop: about 1 ms
FULL: Final = 10_000  # points; a batch of this size takes in no other callers


class _Batch:
    """The points of several callers, which are stored together.

    Attributes:
        known: is filled with those that were stored already; None if nobody asks for them.
    """

    __slots__ = ("closed", "done", "known", "parts", "size")

    def __init__(self, points: Points, owner: str | None = None) -> None:
        self.parts = [(points, owner)]  # one of each caller, with its API key
        self.size = len(points)
        self.closed = False
        self.done: Detached[None] | None = None
        self.known: set[Place] | None = None


class PointWriter:
    """Stores metric points, and their rollups with them.

    Callers that come during a commit share one batch, so a rollup that all of them change is read
    and written once. A transaction then has only one batch of points and locks all its series in
    one order, so that processes do not deadlock.

    Args:
        engine: where they are stored.
        series: the catalogue.
        ahead: seconds by which a sender's clock may be ahead of this one.
    """

    def __init__(self, engine: Engine, series: SeriesCatalogue, ahead: float = CLOCK_AHEAD) -> None:
        self._ahead = round(ahead * 1_000_000)
        self._engine = engine
        self._series = series
        self._batch = _Batch(Points())
        self._batch.closed = True
        self._lock = threading.Lock()  # units of work may run on a thread

    async def add(self, points: Points, known: set[Place] | None = None) -> None:
        """Store points that have a time; return once they are committed.

        Args:
            points: the points.
            known: is filled with those that were stored already, perhaps with another value.
        """
        owner = OWNER.get()
        if len(points) > AHEAD:
            await self._series.create_ahead(points, owner)
        batch = self._join(points, owner)
        if known is not None and batch.known is None:
            batch.known = set()
        assert batch.done is not None
        try:
            # Cancelling one caller does not drop the points of the others.
            await batch.done.result()
        except Unavailable:
            raise
        except Exception:
            if len(batch.parts) == 1:
                raise
            # Some caller is at fault, so each batch is stored on its own.
            await self._store([(points, owner)], known=known)
        else:
            if known is not None and batch.known is not None:
                known |= batch.known

    async def add_past(self, points: Points, known: set[Place] | None = None) -> None:
        """Store points of an imported history: no events, and no batch with those of others."""
        await self._store([(points, OWNER.get())], known=known, events=False)

    def _join(self, points: Points, owner: str | None) -> _Batch:
        with self._lock:
            batch = self._batch
            if not batch.closed and batch.size + len(points) <= FULL:
                batch.parts.append((points, owner))
                batch.size += len(points)
                return batch
            waits_for = None if batch.closed else batch.done
            self._batch = batch = _Batch(points, owner)
        batch.done = Detached(self._run(batch, waits_for))
        return batch

    async def _run(self, batch: _Batch, waits_for: Detached[None] | None) -> None:
        if waits_for is not None:
            with suppress(Exception):  # it is raised in its own callers
                await waits_for.result()
        try:
            await self._store(batch.parts, batch)
        finally:
            batch.closed = True  # the batch may have failed before it began

    async def _store(
        self,
        owned: Owned,
        batch: _Batch | None = None,
        *,
        known: set[Place] | None = None,
        events: bool = True,
    ) -> None:
        async def work(transaction: Transaction) -> dict[Key, Reference]:
            wanted = known
            if batch is not None:
                with self._lock:
                    batch.closed = True
                wanted = batch.known
            parts = [points for points, _ in owned]  # no more join a closed batch
            points: defaultdict[Key, dict[int, float | None]] = defaultdict(dict)
            for part in parts:
                columns = zip(part.series, part.instants, part.values, strict=True)
                while some := tuple(islice(columns, A_TURN)):
                    for series, at, value in some:
                        points[series.key][at] = value
                    await transaction.turn()
            if len(points) > AHEAD:
                # Many may be new, and PostgreSQL's cached plans were made for fewer series.
                await transaction.plan_anew()
            references, spans = await self._locked(transaction, points, owned)
            await transaction.turn()
            numbered = {references[key].number: series for key, series in points.items()}
            there = iter(await store_points(transaction, spans, numbered, self._ahead))
            await mark_points(transaction, points)
            if wanted is not None:
                wanted.clear()  # left by an earlier run of the transaction
                keys = {references[key].number: key for key in points}
                while found := [(keys[number], at) for number, at in islice(there, A_TURN)]:
                    wanted.update(found)
                    await transaction.turn()
            if events:
                transaction.publish(of_points(parts, with_bodies=self._engine.leaves_outbox))
            else:
                kinds = {kind for part in parts for kind in part.kinds}
                transaction.publish(invalidation_of_series(kinds))
            await release(transaction, numbered, points)
            return references

        # Cached only after the commit: references of a failed transaction do not exist.
        self._series.remember(await self._engine.write(work))

    async def _locked(
        self, transaction: Transaction, keys: Iterable[Key], owned: Owned
    ) -> tuple[dict[Key, Reference], list[Row]]:
        """Lock the series; return them by key, and their spans as `store_points` takes them.

        A remembered reference is valid only if its token matches in the statement that locks the
        series; see `series`. The other series are looked up by their keys, or created.
        """
        references = await self._series.references(transaction, keys, owned)
        locked: dict[int, Row] = {}
        wanted: Mapping[Key, Reference] = references
        while wanted:
            numbers = (reference.number for reference in wanted.values())
            rows = await lock_spans(self._engine, transaction, numbers)
            locked.update((row[0], row) for row in rows)
            stale = [
                key
                for key, (number, token) in wanted.items()
                if number not in locked or locked[number][-1] != token
            ]
            self._series.forget(stale)
            # A series that is found here may be removed before it is locked.
            wanted = await self._series.references(transaction, stale, owned) if stale else {}
            references.update(wanted)
        return references, [locked[reference.number] for reference in references.values()]
