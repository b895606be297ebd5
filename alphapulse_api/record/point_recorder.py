"""Records metric points: checks them into columns, stores and publishes them."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from datetime import datetime
from typing import Any, Final

from alphapulse_api.domain.books import ALL, Books
from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.points import ForeignSeries, Place, Points
from alphapulse_api.domain.series_limits import TooManySeries
from alphapulse_api.domain.times import now
from alphapulse_api.record.batches import Refused, result_of
from alphapulse_api.record.inputs import Record
from alphapulse_api.record.recorder import Recorder, Resources
from alphapulse_api.runtime.slices import Steps
from alphapulse_api.schemas.batches import STOP
from alphapulse_api.schemas.fast_points import load_points, loading_points
from alphapulse_api.schemas.loading import Faults, Refusal, load
from alphapulse_api.schemas.metrics import MetricPointRequest

REQUIRED: Final = "Missing data for required field."


class PointRecorder(Recorder):
    """Records metric points."""

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources)
        self._ahead = resources.ahead
        self._zone = resources.zone
        self._schema = resources.clocked(MetricPointRequest())
        self._books = ALL

    def within(self, books: Books) -> PointRecorder:
        """The same for a sender who may use some books only."""
        other = copy(self)
        other._books = books
        return other

    async def record(self, point: Record) -> int:
        """Record a point; returns 1."""
        return await self.store(self._one_checked(point, now()))

    async def record_all(self, points: list[Any]) -> int:
        """Record all points of a list or none; returns how many."""
        return await self.store(await self._checked(points, now()))

    async def record_valid(self, points: list[Any], refused: Refused) -> int:
        """Record the valid points of a list; `refused` is filled with the others, by position."""
        checked = await self._checked(points, now(), refused)
        return len(await self._store_each(checked, len(points), refused))

    async def record_batch(self, points: list[Any], on_error: str) -> dict[str, Any]:
        """Record points and report on each: the answer of `BatchResult`."""
        refused: Refused = {}
        checked = await self._checked(points, now(), None if on_error == STOP else refused)
        known: set[Place] = set()
        if on_error != STOP:
            checked = await self._store_each(checked, len(points), refused, known)
        elif checked:
            await self.store(checked, known)
        new = await self._slices.run(_new(checked, known))
        places = (place for place in range(len(points)) if place not in refused)
        stored = {
            place: {"status": 201 if is_new else 200}
            for place, is_new in zip(places, new, strict=True)
        }
        return await self._slices.run(result_of(len(points), refused, stored))

    async def record_past(self, points: list[Any], last: bool) -> int:
        """Store points of an imported history, all or none; returns how many are new.

        Args:
            points: each with its `timestamp`.
            last: whether it is the last batch, after which subscribers get a `resync`.
        """
        faults = Faults()
        for number, point in enumerate(points):
            if isinstance(point, Mapping) and point.get("timestamp") is None:
                faults.add(f"/{number}/timestamp", REQUIRED)
        if faults.count:
            raise faults.problem()
        checked = await self._checked(points, now())
        known: set[Place] = set()
        if checked:
            work = self._accessors.metrics.add_points(checked, events=False, known=known)
            await self._publisher.stored(work, lambda: checked.tags)
            await self._publisher.published("metrics", (), checked.tags)
        if last:
            await self.resync()
        return sum(await self._slices.run(_new(checked, known)))

    async def resync(self) -> None:
        """Make the subscribers of metrics read them again."""
        await self._publisher.resync("metrics")

    async def _checked(
        self, points: list[Any], at: datetime, refused: Refused | None = None
    ) -> Points:
        """The valid points of a list, in the books of their sender.

        Args:
            points: the list.
            at: the time of points that have none.
            refused: is filled with the others, by position; without it, one refuses all points.
        """
        checking = loading_points(points, at, self._ahead, refused, self._zone)
        checked: Points = await self._slices.run(checking)
        try:
            return checked.within(self._books)
        except ForeignSeries as problem:
            if refused is None:
                raise
            _refuse(checked, len(points), refused, problem)
            return checked.without(problem.keys).within(self._books)

    def _one_checked(self, point: Record, at: datetime) -> Points:
        try:
            return load_points([point], at, self._ahead, self._zone)
        except ValidationProblem:
            # Pointers of the schema's errors have no index for a single record.
            return Points.of([{"timestamp": at, **load(self._schema, point)}])

    async def _store_each(
        self, points: Points, count: int, refused: Refused, known: set[Place] | None = None
    ) -> Points:
        """Store the points of a batch whose series exist or may be created; returns those.

        Args:
            points: those of the batch that are not refused.
            count: the number of points in the batch.
            refused: filled with the others.
            known: as `store` takes it.
        """
        while points:
            try:
                await self.store(points, known)
                return points
            except TooManySeries as problem:
                _refuse(points, count, refused, problem)
                points = points.without(problem.keys)
        return points

    async def store(self, points: Points, known: set[Place] | None = None) -> int:
        """Store points that were checked, and publish them; returns how many.

        Args:
            points: the points.
            known: is filled with those that were stored already, perhaps with another value.

        Raises:
            ForeignSeries: for a book that the sender does not have.
        """
        points = points.within(self._books)
        tags = points.tags
        work = self._accessors.metrics.add_points(points, known=known)
        stored = await self._publisher.stored(work, lambda: tags)
        await self._publisher.published("metrics", points, tags)
        return stored


def _refuse(
    points: Points, count: int, refused: Refused, problem: TooManySeries | ForeignSeries
) -> None:
    """Note the points of a batch that a problem is about.

    Args:
        points: those of the batch that are not refused.
        count: the number of points in the batch.
        refused: filled with them.
        problem: has the keys of their series.
    """
    places = [place for place in range(count) if place not in refused]
    for place, series in zip(places, points.series, strict=True):
        if series.key in problem.keys:
            refused[place] = Refusal.of(problem)


def _new(points: Points, known: set[Place]) -> Steps[list[bool]]:
    """Of each point, whether it is the first at its place.

    Args:
        points: stored.
        known: the places of those that were stored before.
    """
    new = []
    seen = set(known)
    for series, at in zip(points.series, points.instants, strict=True):
        place = series.key, at
        new.append(place not in seen)
        seen.add(place)
        yield
    return new
