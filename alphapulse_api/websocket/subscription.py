"""One connection's interest in one channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alphapulse_api.encoding import canonical
from alphapulse_api.events.base import Break, Channel, Event
from alphapulse_api.websocket.outbound import Outbound
from alphapulse_api.websocket.protocol import Filters


class Subscription:
    """Which events of a channel a connection wants, and up to where it has them.

    Attributes:
        after: the offset of the newest event before it.
        cursor: the same place, for clients.
        held: all that came while the past was being read, or None once live.
        seen: by identity, how far a snapshot told of each thing; None once no late event can come.
        narrowest: the field of the event that the filter of the fewest values looks at, and those.
        outbound: where its events leave.
    """

    __slots__ = (
        "after",
        "channel",
        "cursor",
        "filters",
        "held",
        "narrowest",
        "outbound",
        "seen",
    )

    def __init__(
        self,
        channel: Channel,
        filters: Filters,
        after: int,
        cursor: str,
        outbound: Outbound,
    ) -> None:
        self.channel = channel
        self.filters = filters
        self.after = after
        self.cursor = cursor
        self.outbound = outbound
        self.held: list[Event | Break] | None = []
        self.seen: dict[Any, tuple[Any, Mapping[str, Any]]] | None = None
        fields = [(channel.filters[name], values) for name, values in filters.items()]
        self.narrowest = min(fields, key=lambda field: len(field[1]), default=None)

    def wants(self, data: Mapping[str, Any]) -> bool:
        """Whether the data pass every filter."""
        return passes(self.channel, self.filters, data)

    def offer(self, event: Event, framed: bytes) -> bool:
        """Take an event of the channel, in the channel's order; returns whether it was sent."""
        if event.offset <= self.after:
            return False
        if self.held is not None:
            self.held.append(event)
            return False
        if not self._passes(event):
            return False
        self.outbound.gather_event(event, framed)
        return True

    def tell(self, gap: Break) -> None:
        """Say that events may be missing, if it lies after where the subscription began."""
        if gap.offset <= self.after:
            return
        if self.held is not None:
            self.held.append(gap)
        else:
            self.outbound.send(gap.text)

    def snapshot(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Remember what a snapshot told, so that an event of the same is not sent after it."""
        self.seen = {}
        for row in rows:
            identity, stage = self.channel.identity(row)
            self.seen[identity] = (stage, row)

    def release(self) -> list[Event | Break]:
        """Go live; returns what was held and is to be sent."""
        held, self.held = self.held or [], None
        return [item for item in held if isinstance(item, Break) or self._passes(item)]

    def _passes(self, event: Event) -> bool:
        return self.wants(event.data) and not (self.seen is not None and self._told(event))

    def _told(self, event: Event) -> bool:
        assert self.seen is not None
        identity, stage = self.channel.identity(event.data)
        told = self.seen.get(identity)
        if told is None:
            return False
        # Compared as JSON: a store may give back "1.0" for what the event has as a Decimal.
        if stage < told[0] or (stage == told[0] and canonical(event.data) == canonical(told[1])):
            return True
        # Whoever is sent this is to be sent what follows, also if it is what the snapshot had.
        del self.seen[identity]
        return False


def passes(channel: Channel, filters: Filters, data: Mapping[str, Any]) -> bool:
    """Whether an event's data pass every filter of the channel."""
    return all(data.get(channel.filters[name]) in values for name, values in filters.items())
