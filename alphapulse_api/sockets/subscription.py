"""One connection's interest in one channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from alphapulse_api.domain.channels import Channel
from alphapulse_api.log.base import Event, Gap
from alphapulse_api.sockets.protocol import Filters
from alphapulse_api.sockets.writer import SocketWriter

if TYPE_CHECKING:
    from alphapulse_api.sockets.snapshot import Snapshot


class Subscription:
    """Which events of a channel a connection wants, and up to where it has them.

    Attributes:
        after: the offset of the newest event before it.
        cursor: the same place, for clients.
        held: all that was dealt while the past was being read, or None once live. Also what lies
            before `after`: the subscription whose place it is to take may get it back.
        seen: the snapshot that it was sent; None once no event that it told of can come any more.
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
        "seen",
        "writer",
    )

    def __init__(
        self,
        channel: Channel,
        filters: Filters,
        after: int,
        cursor: str,
        writer: SocketWriter,
    ) -> None:
        self.channel = channel
        self.filters = filters
        self.after = after
        self.cursor = cursor
        self.writer = writer
        self.held: list[Event | Gap] | None = []
        self.seen: Snapshot | None = None
        fields = [(channel.filters[name], values) for name, values in filters.items()]
        self.narrowest = min(fields, key=lambda field: len(field[1]), default=None)

    def wants(self, data: Mapping[str, Any]) -> bool:
        """Whether the data pass every filter."""
        return passes(self.channel, self.filters, data)

    def settled(self, offset: int) -> bool:
        """Whether it has come to the present: nothing behind the offset was sent to it before."""
        return self.held is None and self.seen is None and self.after <= offset

    def offer(self, event: Event, framed: bytes) -> bool:
        """Take an event of the channel, in the channel's order; returns whether it was sent."""
        if self.held is not None:
            self.held.append(event)
            return False
        if event.offset <= self.after or not self._passes(event):
            return False
        self.writer.gather_event(event, framed)
        return True

    def tell(self, gap: Gap) -> None:
        """Say that events may be missing, if it lies after where the subscription began."""
        if self.held is not None:
            self.held.append(gap)
        elif gap.offset > self.after:
            self.writer.send(gap.text)

    def release(self) -> list[Event | Gap]:
        """Go live; returns what was held and is to be sent."""
        held, self.held = self.held or [], None
        later = (item for item in held if item.offset > self.after)
        return [item for item in later if isinstance(item, Gap) or self._passes(item)]

    def _passes(self, event: Event) -> bool:
        return self.wants(event.data) and not (self.seen is not None and self.seen.tells(event))


def passes(channel: Channel, filters: Filters, data: Mapping[str, Any]) -> bool:
    """Whether an event's data pass every filter of the channel."""
    return all(data.get(channel.filters[name]) in values for name, values in filters.items())
