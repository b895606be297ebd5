"""What follows once a record is stored: cached answers move on, and the event log tells of it."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeVar

from alphapulse_api.cache import Cache
from alphapulse_api.data.accessors import Accessors
from alphapulse_api.errors import Unavailable
from alphapulse_api.events import CHANNELS, EventLog
from alphapulse_api.events.base import Progress
from alphapulse_api.points import Points
from alphapulse_api.times import now

Record = Mapping[str, Any]
T = TypeVar("T")


class Teller:
    """Tells everyone of what was written.

    Whoever stored a record may have been killed before it could tell of it. So a record that a call
    finds stored is brought to the log again, unless that was too long ago to be news to anybody;
    and the log, which knows what it has told, tells of it once.

    Args:
        accessors: where records are stored.
        cache: of answers that show them.
        events: the log.
    """

    def __init__(self, accessors: Accessors, cache: Cache, events: EventLog) -> None:
        self._accessors = accessors
        self._cache = cache
        self._events = events

    async def stored(self, work: Awaitable[T], resource: str) -> T:
        """What a store's method gives."""
        try:
            return await work
        except Unavailable:
            # A COMMIT may have been carried out, and only its answer lost: then what is cached
            # lacks a record that is there.
            await self.changed(resource)
            raise

    async def tell_points(self, points: Points) -> None:
        """Tell of metric points; also one that was told before is news."""
        changed = ("metrics", *(f"metrics:{name}" for name in points.types))
        await self._publish("metrics", points, changed)

    async def tell_once(self, channel: str, written: Sequence[tuple[Record, bool]]) -> None:
        """Tell of trades or alerts.

        Args:
            written: each as it is stored, and whether it was this call that stored it so.
        """
        if channel in self._accessors.replaced:
            # A host's store alone knows what is new there.
            await self._publish(channel, [record for record, new in written if new], [channel])
            return
        records, progress = [], []
        ages: Mapping[str, float] = {}
        failure = None
        try:
            ages = await self._ages(channel, [record["id"] for record, new in written if not new])
        except Unavailable as error:
            # What this call has stored is told all the same: at the next try it is not new.
            failure = error
        for record, new in written:
            age = None if new else ages.get(record["id"], self._events.ttl)
            if age is None or age < self._events.ttl:
                identity, stage = CHANNELS[channel].identity(record)
                records.append(record)
                progress.append(Progress(identity, (stage, 0), age))
        await self._publish(channel, records, [channel], progress)
        if failure is not None:
            raise failure

    async def tell_portfolio(self, portfolio: Record, revision: int | bool | None) -> None:
        """Tell of a snapshot, if it is the current one.

        Args:
            revision: as `PortfolioDataAccessor.set_portfolio` gives it; a host's own store may just
                say whether it is.
        """
        if revision is None or revision is False:
            # One that comes late belongs to the history: no event.
            await self.changed("portfolio")
            return
        progress = []
        if "portfolio" not in self._accessors.replaced:
            # By the store's order alone: the snapshot that is current now may have an earlier time.
            identity, _ = CHANNELS["portfolio"].identity(portfolio)
            progress.append(Progress(identity, (revision, 0)))
        await self._publish("portfolio", [portfolio], ["portfolio"], progress)

    async def changed(self, resource: str) -> None:
        """Something changed that no channel tells of."""
        await self._cache.move_on(resource)
        await self._events.announce([resource])

    async def _ages(self, resource: str, ids: Sequence[str]) -> dict[str, float]:
        """Seconds since records were written, by id."""
        if not ids:
            return {}
        at = now()
        written: Mapping[str, Any] = await self._accessors.method(resource, "written_at")(ids)
        # Who wrote it may have a clock that is ahead of ours.
        return {id_: max(0.0, (at - time).total_seconds()) for id_, time in written.items()}

    async def _publish(
        self,
        channel: str,
        records: Sequence[Record],
        changed: Sequence[str],
        progress: Sequence[Progress] = (),
    ) -> None:
        await self._cache.move_on(*changed)
        await self._events.append(channel, records, changed, progress)
