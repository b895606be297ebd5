"""What follows once a record is stored: its event is published, and stale answers go."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeVar

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.domain.points import Points
from alphapulse_api.record.relay import Relay
from alphapulse_api.storage.accessors import Accessors

Record = Mapping[str, Any]
T = TypeVar("T")


class Publisher:
    """Publishes what was written.

    Our own stores commit events with their records, and the relay publishes them. A host's own
    store has no outbox: what it calls new is published directly.

    Args:
        accessors: where records are stored.
        relay: to the event log.
    """

    def __init__(self, accessors: Accessors, relay: Relay) -> None:
        self._accessors = accessors
        self._relay = relay

    async def stored(self, work: Awaitable[T], *tags: str) -> T:
        """What a store's method returns.

        Args:
            work: the method's call.
            tags: of the cached answers that it makes stale.
        """
        try:
            return await work
        except Unavailable:
            # A COMMIT may have been carried out, and only its answer lost: then what is cached
            # lacks a record that is there.
            await self._relay.invalidate(*tags)
            raise

    async def published(self, channel: str, written: Sequence[tuple[Record, bool]]) -> None:
        """Return once the events of a write are in the log.

        Args:
            channel: theirs, which is a resource.
            written: each record as it is stored, and whether it was this call that stored it so.
        """
        if channel in self._accessors.replaced:
            news = [record for record, new in written if new]
            if news:
                await self._relay.publish(channel, news, [channel])
            else:
                await self._relay.invalidate(channel)
        else:
            await self._relay.flush()

    async def points_published(self, points: Points) -> None:
        """Return once metric points are in the log."""
        if "metrics" in self._accessors.replaced:
            await self._relay.publish("metrics", points, points.tags)
        else:
            await self._relay.flush()

    async def invalidated(self, resource: str) -> None:
        """Return once the cached answers of a resource without a channel are invalidated."""
        if resource in self._accessors.replaced:
            await self._relay.invalidate(resource)
        else:
            await self._relay.flush()
