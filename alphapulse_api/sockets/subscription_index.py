"""One channel's subscriptions, indexed so that an event costs only what it delivers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any, Final

from alphapulse_api.sockets.subscription import Subscription
from alphapulse_api.sockets.writer import SocketWriter

# Entries of one subscription, above which it is not listed by its books.
MOST_ENTRIES: Final = 256

Members = dict[SocketWriter, Subscription]
Value = tuple[str | None, str | None]  # of a field, and the book; None: any


class SubscriptionIndex:
    """The subscriptions to one channel, at most one per socket.

    A subscription to every event, or to every event of one book, starts in `joining`. Once it is up
    to date it is promoted to `live`: it takes every event of its book, and dispatch does not look
    at it any more. Any other is listed under each of its books, together with each value of its
    filter with the fewest values, and checks the other filters itself.

    Attributes:
        joining: by book (None: every book), subscriptions that may already have some of the next
            events.
        live: by book, writers that every event of the book goes to; a dict as an ordered set.
    """

    __slots__ = ("_booked", "_by_field", "_members", "joining", "live")

    def __init__(self) -> None:
        self.joining: dict[str | None, Members] = {}
        self.live: dict[str | None, dict[SocketWriter, None]] = {}
        # By the field of a filter (None: there is no filter but the books).
        self._by_field: dict[str | None, dict[Value, Members]] = {}
        self._members: Members = {}
        self._booked = 0

    def __bool__(self) -> bool:
        return bool(self._members)

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._members.values())

    @property
    def booked(self) -> bool:
        """Whether a subscription is limited to books, so that the book of an event matters."""
        return self._booked > 0

    def get(self, writer: SocketWriter) -> Subscription | None:
        """Return the socket's subscription, if it has one."""
        return self._members.get(writer)

    def put(self, subscription: Subscription) -> None:
        """Add a subscription in place of an older one of its socket."""
        writer = subscription.writer
        self.remove(writer)
        self._members[writer] = subscription
        self._booked += subscription.books is not None
        if subscription.is_plain:
            self.joining.setdefault(subscription.book, {})[writer] = subscription
            return
        by_value = self._by_field.setdefault(subscription.field, {})
        for value in _values(subscription):
            by_value.setdefault(value, {})[writer] = subscription

    def remove(self, writer: SocketWriter) -> None:
        """Remove the socket's subscription, if it has one."""
        subscription = self._members.pop(writer, None)
        if subscription is None:
            return
        self._booked -= subscription.books is not None
        if subscription.is_plain:
            for group in (self.joining, self.live):
                _discard(group, subscription.book, writer)
            return
        by_value = self._by_field[subscription.field]
        for value in _values(subscription):
            _discard(by_value, value, writer)
        if not by_value:
            del self._by_field[subscription.field]

    def promote(self, offset: int, books: Iterable[str | None]) -> None:
        """Make the subscriptions of these books live that want every event after the offset."""
        for book in books:
            for writer, subscription in tuple(self.joining.get(book, {}).items()):
                if subscription.up_to_date(offset):
                    _discard(self.joining, book, writer)
                    self.live.setdefault(book, {})[writer] = None

    def candidates(self, data: Mapping[str, Any], book: str | None) -> Iterator[Subscription]:
        """Iterate over the subscriptions, other than the live ones, that may want an event.

        Args:
            data: the event's.
            book: its book, if it has one.
        """
        books = (None,) if book is None else (None, book)
        for one in books:
            yield from tuple(self.joining.get(one, {}).values())
        for field, by_value in tuple(self._by_field.items()):
            value = None if field is None else data.get(field)
            # Filters are lists of strings; a host's accessor may return other types.
            if field is not None and type(value) is not str:
                continue
            for one in books:
                yield from tuple(by_value.get((value, one), {}).values())


def _values(subscription: Subscription) -> Iterable[Value]:
    values: Iterable[str | None] = subscription.values or (None,)
    books: Iterable[str | None] = subscription.books or (None,)
    if len(subscription.values) * len(subscription.books or ()) > MOST_ENTRIES:
        books = (None,)
    return product(values, books)


def _discard(groups: dict[Any, dict[SocketWriter, Any]], key: Any, writer: SocketWriter) -> None:
    """Remove a writer from a group, and the group if it is empty."""
    if (group := groups.get(key)) is not None:
        group.pop(writer, None)
        if not group:
            del groups[key]
