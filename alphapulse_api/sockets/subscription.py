"""One connection's interest in one channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from alphapulse_api.domain.channels import BOOKS, Channel
from alphapulse_api.domain.holdings import Holdings
from alphapulse_api.log.base import Event, Gap
from alphapulse_api.sockets.change import Change
from alphapulse_api.sockets.filters import Filters
from alphapulse_api.sockets.frames import frame
from alphapulse_api.sockets.writer import SocketWriter


class Seen(Protocol):
    """The snapshot that a subscription was sent."""

    def includes(self, event: Event) -> bool:
        """Return whether it already contains the event's state, or a newer one."""
        ...

    def expired(self, at: float, seconds: float, *, behind: bool) -> bool:
        """Return whether every event that it includes has passed."""
        ...


class Subscription:
    """Which events of a channel a connection wants, and up to which position it has them.

    Attributes:
        channel: the channel.
        filters: by filter name, the values that pass.
        after: the offset of the newest event before the subscription.
        cursor: the same position, for clients.
        writer: of its socket.
        held: what was dispatched while the past was being read, or None once live. It includes
            events up to `after`, because the replaced subscription may be restored and need them.
        seen: the snapshot that was sent; None once every event that the snapshot includes has
            passed.
        books: those that it is limited to; None: not limited.
        field: the event field of the filter with the fewest values, other than the books; None if
            there is none.
        values: of that filter; empty if there is none.
    """

    __slots__ = (
        "after",
        "books",
        "channel",
        "cursor",
        "field",
        "filters",
        "held",
        "seen",
        "values",
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
        self.seen: Seen | None = None
        self.books = filters.get(BOOKS)
        others = [(channel.filters[name], filters[name]) for name in filters if name != BOOKS]
        self.field: str | None
        self.values: frozenset[str]
        self.field, self.values = min(
            others, key=lambda other: len(other[1]), default=(None, frozenset())
        )

    @property
    def is_plain(self) -> bool:
        """Whether it wants every event, or every event of one book."""
        return self.field is None and (self.books is None or len(self.books) == 1)

    @property
    def book(self) -> str | None:
        """The only book that it wants; None if there is no limit."""
        return None if self.books is None else next(iter(self.books))

    def wants(self, data: Mapping[str, Any]) -> bool:
        """Return whether the data pass every filter."""
        return self.channel.passes(self.filters, data)

    def up_to_date(self, offset: int) -> bool:
        """Return whether it is live, and no event after the offset was sent to it before."""
        return self.held is None and self.seen is None and self.after <= offset

    def offer(self, event: Event, framed: bytes) -> bool:
        """Take the channel's next event; return whether it was sent."""
        if self.held is not None:
            self.held.append(event)
            return False
        if event.offset <= self.after or not self._passes(event):
            return False
        self._send(event, framed)
        return True

    def offer_gap(self, gap: Gap) -> None:
        """Take a gap; it is sent if it lies after the start of the subscription."""
        if self.held is not None:
            self.held.append(gap)
        elif gap.offset > self.after:
            self.writer.send(gap.text)

    def release(self) -> list[Event | Gap]:
        """Go live; return the held events that have to be sent."""
        held, self.held = self.held or [], None
        later = (item for item in held if item.offset > self.after)
        return [item for item in later if isinstance(item, Gap) or self._passes(item)]

    def _send(self, event: Event, framed: bytes) -> None:
        self.writer.gather_event(event, framed)

    def _passes(self, event: Event) -> bool:
        return self.wants(event.data) and not (self.seen is not None and self.seen.includes(event))


class ChangesSubscription(Subscription):
    """A subscription to the portfolio that takes changes of the positions it already has.

    Attributes:
        bases: by book, the positions that the client has.
    """

    __slots__ = ("bases",)

    def __init__(
        self, channel: Channel, filters: Filters, after: int, cursor: str, writer: SocketWriter
    ) -> None:
        super().__init__(channel, filters, after, cursor, writer)
        self.bases: dict[str | None, Holdings] = {}

    def up_to_date(self, offset: int) -> bool:
        """Return False: it always chooses the form of an event itself."""
        return False

    def continues(self, change: Change) -> bool:
        """Take the next event if the client understands its text; the caller then sends that."""
        fits = change.base is None or change.base is self.bases.get(change.book)
        if not fits or self.held is not None or change.offset <= self.after:
            return False
        if not self._passes(change):
            return False
        self._understood(change)
        return True

    def release(self) -> list[Event | Gap]:
        """Go live; return the held events, each in the form that the client understands."""
        return [i if isinstance(i, Gap) else self._understood(i) for i in super().release()]

    def _send(self, event: Event, framed: bytes) -> None:
        understood = self._understood(event)
        super()._send(understood, frame(understood.text))

    def _understood(self, event: Event) -> Event:
        """Return the event as a change if the client has its base, otherwise as a key frame."""
        base = self.bases.pop(event.book, None)
        if not isinstance(event, Change):
            return event
        if event.holdings is not None:
            self.bases[event.book] = event.holdings
        return event if event.base is None or event.base is base else event.whole


class JointSubscription(Subscription):
    """A subscription to a channel and to further types of its events.

    Its offsets are those of `JointEvent`.

    Attributes:
        parts: what it includes of what the log keeps apart.
    """

    __slots__ = ("parts",)

    def __init__(
        self,
        channel: Channel,
        filters: Filters,
        after: int,
        cursor: str,
        writer: SocketWriter,
        parts: Sequence[str],
    ) -> None:
        super().__init__(channel, filters, after, cursor, writer)
        self.parts = tuple(parts)
        # Each type has other fields, so only the books are looked up.
        self.field, self.values = None, frozenset()

    def up_to_date(self, offset: int) -> bool:
        """Return False: it does not want all types of events."""
        return False

    def _passes(self, event: Event) -> bool:
        if event.channel.name not in self.parts:
            return False
        if event.channel is self.channel:
            return super()._passes(event)
        return event.channel.passes(self.filters, event.data)
