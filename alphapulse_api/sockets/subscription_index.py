"""One channel's subscriptions, found by what an event says: a publish costs what it delivers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from alphapulse_api.sockets.subscription import Subscription
from alphapulse_api.sockets.writer import SocketWriter

if TYPE_CHECKING:
    from alphapulse_api.sockets.connection import Connection

Members = dict["Connection", Subscription]


class SubscriptionIndex:
    """Who listens to a channel.

    A subscription without filters is joining until it has come to the present, and settled from
    then on: every event is for it, and nobody looks at it any more. One with filters stands under
    each value of the filter that has the fewest, and checks the others itself.

    Attributes:
        joining: the subscriptions without filters that may have some of the next events already.
        settled: where every event goes, and whose socket that is.
    """

    __slots__ = ("_by_field", "_members", "joining", "settled")

    def __init__(self) -> None:
        self.joining: Members = {}
        self.settled: dict[SocketWriter, Connection] = {}
        self._by_field: dict[str, dict[str, Members]] = {}
        self._members: Members = {}

    def __bool__(self) -> bool:
        return bool(self._members)

    def __iter__(self) -> Iterator[Subscription]:
        return iter(tuple(self._members.values()))

    def get(self, connection: Connection) -> Subscription | None:
        """The connection's subscription, if it has one."""
        return self._members.get(connection)

    def put(self, connection: Connection, subscription: Subscription) -> None:
        """Add a subscription in the place of the connection's older one."""
        self.remove(connection)
        self._members[connection] = subscription
        for members in self._places(subscription):
            members[connection] = subscription

    def remove(self, connection: Connection) -> None:
        """Take the connection's subscription out, if it has one."""
        subscription = self._members.pop(connection, None)
        if subscription is None:
            return
        for members in self._places(subscription):
            members.pop(connection, None)
        self.settled.pop(subscription.writer, None)
        if subscription.narrowest is not None:
            field, values = subscription.narrowest
            by_value = self._by_field[field]
            for value in values:
                if not by_value[value]:
                    del by_value[value]
            if not by_value:
                del self._by_field[field]

    def settle(self, offset: int) -> None:
        """Look no more at those that want every event after the offset."""
        for connection, subscription in tuple(self.joining.items()):
            if subscription.settled(offset):
                del self.joining[connection]
                self.settled[subscription.writer] = connection

    def candidates(self, data: Mapping[str, Any]) -> Iterator[tuple[Connection, Subscription]]:
        """The subscriptions, other than the settled, that may want an event."""
        yield from tuple(self.joining.items())
        for field, by_value in tuple(self._by_field.items()):
            value = data.get(field)
            # Filters are lists of strings; a host's accessor may give what is no string.
            members = by_value.get(value) if type(value) is str else None
            if members:
                yield from tuple(members.items())

    def _places(self, subscription: Subscription) -> list[Members]:
        if subscription.narrowest is None:
            return [self.joining]
        field, values = subscription.narrowest
        by_value = self._by_field.setdefault(field, {})
        return [by_value.setdefault(value, {}) for value in values]
