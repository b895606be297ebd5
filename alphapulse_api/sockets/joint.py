"""Sends the events of a channel together with those of further types, such as trades with signals.

The event log keeps each type apart, with positions of its own. The cursor of such a subscription
joins them: the position in the channel, then that in each further type, up to which this process
has dispatched. A client has got all events up to there, so every process can resume it. A
subscription without further types has the position in the channel alone, and takes either cursor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from alphapulse_api.domain.channels import CHANNELS, Channel, parts_of
from alphapulse_api.log import Event, EventLog, Gap
from alphapulse_api.log.joint import SEPARATOR
from alphapulse_api.sockets.delivery import OnFault, deliver, deliver_gap
from alphapulse_api.sockets.subscription_index import SubscriptionIndex

CHANNEL: Final = "trades"
"""The channel that has further types."""


class JointEvent(Event):
    """An event with the cursor of its channel and all further types.

    Args:
        event: the event of the log.
        offset: its number among the events of the channel and all types.
        cursor: the joint cursor.
    """

    __slots__ = ("_whole",)

    def __init__(self, event: Event, offset: int, cursor: str) -> None:
        super().__init__(event.channel, offset, cursor, event.data, event.json)
        self._whole = event

    @property
    def whole(self) -> Event:
        """The event of the log."""
        return self._whole


class JointFanOut:
    """The subscriptions to a channel and further types, and the events for them.

    Args:
        events: the log.
        on_fault: called with the writer and the reason when an event could not be delivered.

    Attributes:
        index: the subscriptions.
        delivered: how many events were handed to writers.
    """

    def __init__(self, events: EventLog, on_fault: OnFault) -> None:
        self._on_fault = on_fault
        self._cursors = {part: events.cursor(part) for part in parts_of(CHANNEL)}
        self._offset = 0
        self.index = SubscriptionIndex()
        self.delivered = 0

    def __repr__(self) -> str:
        return f"<JointFanOut subscriptions={len(tuple(self.index))}>"

    @property
    def position(self) -> tuple[int, str]:
        """The number and the cursor up to which events were dispatched here."""
        return self._offset, SEPARATOR.join(self._cursors.values())

    def wants(self, channel: Channel) -> bool:
        """Whether anybody may want these events here."""
        return channel.name in self._cursors and bool(self.index)

    def around(self, part: str, since: Mapping[str, str]) -> tuple[str, str]:
        """What stands before and after the cursor of a replayed event of a part.

        Parts are replayed one after the other, so a client that is cut off has all of the parts
        before, and of those after it nothing since its cursor.

        Args:
            part: the part.
            since: where the replay of each part begins; those left out are not replayed.
        """
        parts = list(self._cursors)
        at = parts.index(part)
        before = [self._cursors[other] for other in parts[:at]]
        after = [since.get(other, self._cursors[other]) for other in parts[at + 1 :]]
        return SEPARATOR.join((*before, "")), SEPARATOR.join(("", *after))

    def put(self, events: Sequence[Event]) -> None:
        """Take the next events of one part."""
        part = events[0].channel.name
        if part not in self._cursors:
            return
        if not self.index:
            self._offset += len(events)
            self._cursors[part] = events[-1].cursor
            return
        joint = []
        for event in events:
            self._offset += 1
            self._cursors[part] = event.cursor
            joint.append(JointEvent(event, *self.position))
        self.delivered += deliver(self.index, joint, self._on_fault)

    def put_gap(self, gap: Gap) -> None:
        """Take a gap of one part."""
        if gap.channel.name in self._cursors:
            self._offset += 1
            self._cursors[gap.channel.name] = gap.cursor
            deliver_gap(self.index, self.gap())

    def gap(self) -> Gap:
        """Return a gap at the present position."""
        return Gap(CHANNELS[CHANNEL], *self.position)
