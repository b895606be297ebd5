"""One channel's subscriptions, indexed so that an event costs only what it delivers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from alphapulse_api.sockets.subscription import Subscription
from alphapulse_api.sockets.writer import SocketWriter

Members = dict[SocketWriter, Subscription]


class SubscriptionIndex:
    """The subscriptions to one channel, at most one per socket.

    A subscription without filters starts in `joining`. Once it is up to date it is promoted to
    `live`: it takes every event, and dispatch does not look at it any more. One with filters is
    listed under each value of its filter with the fewest values, and checks the other filters
    itself.

    Attributes:
        joining: subscriptions without filters that may already have some of the next events.
        live: writers that every event goes to; a dict as an ordered set.
    """

    __slots__ = ("_by_field", "_members", "joining", "live")

    def __init__(self) -> None:
        self.joining: Members = {}
        self.live: dict[SocketWriter, None] = {}
        self._by_field: dict[str, dict[str, Members]] = {}
        self._members: Members = {}

    def __bool__(self) -> bool:
        return bool(self._members)

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._members.values())

    def get(self, writer: SocketWriter) -> Subscription | None:
        """Return the socket's subscription, if it has one."""
        return self._members.get(writer)

    def put(self, subscription: Subscription) -> None:
        """Add a subscription in place of an older one of its socket."""
        writer = subscription.writer
        self.remove(writer)
        self._members[writer] = subscription
        for members in self._entries(subscription):
            members[writer] = subscription

    def remove(self, writer: SocketWriter) -> None:
        """Remove the socket's subscription, if it has one."""
        subscription = self._members.pop(writer, None)
        if subscription is None:
            return
        for members in self._entries(subscription):
            members.pop(writer, None)
        self.live.pop(writer, None)
        if subscription.narrowest is not None:
            field, values = subscription.narrowest
            by_value = self._by_field[field]
            for value in values:
                if not by_value[value]:
                    del by_value[value]
            if not by_value:
                del self._by_field[field]

    def promote(self, offset: int) -> None:
        """Make the subscriptions live that want every event after the offset."""
        for writer, subscription in tuple(self.joining.items()):
            if subscription.up_to_date(offset):
                del self.joining[writer]
                self.live[writer] = None

    def candidates(self, data: Mapping[str, Any]) -> Iterator[Subscription]:
        """Iterate over the subscriptions, other than the live ones, that may want an event."""
        yield from tuple(self.joining.values())
        for field, by_value in tuple(self._by_field.items()):
            value = data.get(field)
            # Filters are lists of strings; a host's accessor may return other types.
            members = by_value.get(value) if type(value) is str else None
            if members:
                yield from tuple(members.values())

    def _entries(self, subscription: Subscription) -> list[Members]:
        if subscription.narrowest is None:
            return [self.joining]
        field, values = subscription.narrowest
        by_value = self._by_field.setdefault(field, {})
        return [by_value.setdefault(value, {}) for value in values]
