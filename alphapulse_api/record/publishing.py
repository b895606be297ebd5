"""After a record is stored: publish its event, and invalidate the answers it made stale."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.record.relay import Relay
from alphapulse_api.storage.accessors import Accessors

Record = Mapping[str, Any]
T = TypeVar("T")


class Publisher:
    """Publishes what was written.

    Our own stores commit events with their records, and the relay publishes them. A host's own
    store has no outbox: its new records are published directly.

    Args:
        accessors: where records are stored.
        relay: to the event log.
    """

    def __init__(self, accessors: Accessors, relay: Relay) -> None:
        self._accessors = accessors
        self._relay = relay

    async def stored(self, work: Awaitable[T], tags: Callable[[], Iterable[str]]) -> T:
        """The result of a store's write.

        Args:
            work: the call.
            tags: returns the tags of the cached answers that it makes stale; called if it is not
                known whether the write was committed.
        """
        try:
            return await work
        except Unavailable:
            # The COMMIT may have succeeded and only its answer been lost. Then the cached answers
            # lack a stored record.
            await self._relay.invalidate(*tags())
            raise

    async def published(
        self,
        resource: str,
        new: Iterable[Record] = (),
        tags: Sequence[str] | None = None,
        *,
        channel: str | None = None,
    ) -> None:
        """Return once a write's events are in the log, and the answers it made stale are gone.

        Args:
            resource: the resource that was written.
            new: the records that this write changed, as they are stored.
            tags: of the cached answers that the write made stale; default: those of the resource.
            channel: of its events, or another name in `LOGGED`; default: the resource's name.
        """
        if self._accessors.managed(resource):
            await self._relay.flush()
            return
        tags = tags or [resource]
        records = new if isinstance(new, Sequence) else list(new)
        if records:
            await self._relay.publish(channel or resource, records, tags)
        else:
            await self._relay.invalidate(*tags)

    async def resync(self, channel: str) -> None:
        """Make the followers of a channel read it again, because its events were not published."""
        await self._relay.resync(channel)
