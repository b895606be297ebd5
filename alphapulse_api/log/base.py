"""What an event is, and what a log of events promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from alphapulse_api.domain.channels import Channel
from alphapulse_api.domain.encoded import json_of
from alphapulse_api.domain.encoding import dumps, loads_stored
from alphapulse_api.domain.outbox import OutboxRow


class Event:
    """A published record, encoded once for all subscribers.

    Args:
        channel: the channel it belongs to.
        offset: see the attribute.
        cursor: see the attribute.
        data: the resource's dict; None if it is to be decoded from `body` when it is needed.
        body: the JSON of `data` if it exists; otherwise `text` encodes it when it is needed.

    Attributes:
        channel: the channel it belongs to.
        offset: its number in the channel; local to the process, and only growing.
        cursor: its position in the channel, the same in every process; opaque to clients.
    """

    __slots__ = ("_body", "_data", "_text", "channel", "cursor", "offset")

    def __init__(
        self,
        channel: Channel,
        offset: int,
        cursor: str,
        data: Mapping[str, Any] | None,
        body: bytes | None = None,
    ) -> None:
        assert data is not None or body is not None
        self.channel = channel
        self.offset = offset
        self.cursor = cursor
        self._data = data
        self._body = body
        self._text: bytes | None = None

    @property
    def data(self) -> Mapping[str, Any]:
        """The resource's dict; with JSON types if it was decoded from the log."""
        if self._data is None:
            self._data = loads_stored(self._body or b"null")
        return self._data

    @property
    def book(self) -> str | None:
        """The book of the record; None: it belongs to none."""
        return self.channel.book(self.data)

    @property
    def whole(self) -> Event:
        """The event in the form in which it has all its data."""
        return self

    @property
    def json(self) -> bytes:
        """The JSON of `data`."""
        if self._body is not None:
            return self._body
        if self._text is not None:
            return self._text[len(message(self.channel, self.cursor, b"")) - 1 : -1]
        assert self._data is not None
        return json_of(self._data)

    @property
    def text(self) -> bytes:
        """The complete JSON message, as UTF-8."""
        # Encoded lazily: most metric points have no subscriber.
        if self._text is None:
            self._text = message(self.channel, self.cursor, self.json)
            if self._data is not None:
                self._body = None
        return self._text

    def __repr__(self) -> str:
        return f"<Event {self.channel.name} {self.cursor}>"


class Gap:
    """A position in a channel before which events may be missing.

    Attributes:
        channel: the channel.
        offset: its number, counted with the events.
        cursor: the position; from here on nothing is missing.
        text: the `resync` message for clients.
    """

    __slots__ = ("channel", "cursor", "offset", "text")

    def __init__(self, channel: Channel, offset: int, cursor: str) -> None:
        self.channel = channel
        self.offset = offset
        self.cursor = cursor
        self.text = dumps({"type": "resync", "channel": channel.public, "cursor": cursor})

    def __repr__(self) -> str:
        return f"<Gap {self.channel.name} {self.cursor}>"


def message(channel: Channel, cursor: str, body: bytes, **members: Any) -> bytes:
    """Return a data message as JSON, with the JSON of its data and members like snapshot=True."""
    head = {"type": channel.type, "channel": channel.public, "cursor": cursor, **members}
    return b'%b,"data":%b}' % (dumps(head)[:-1], body)


def skipping(event: Event, skipped: int) -> bytes:
    """Return an event's message, with the number of older events that it stands for."""
    if not skipped:
        return event.text
    return message(event.channel, event.cursor, event.json, skipped=skipped)


class LogAway(Exception):
    """The log cannot be reached at present."""


Follower = Callable[[Sequence[Event]], None]
GapCallback = Callable[[Gap], None]
Changed = Callable[[str | None], None]


class EventLog(Protocol):
    """An append-only log per channel, with a bounded past.

    Attributes:
        waiting: how many events wait in memory to be appended.
        behind: whether events appended seconds ago may still be missing at the followers here.
        gaps: how many gaps were published here.
        unreadable: how many entries of a shared log were foreign or damaged.
        failing: names of its background tasks that are failing.
        size: events kept per channel.
        ttl: seconds that an event, and the id of a relayed row, are kept if there is room.
        held: by channel, the bytes of the events kept in this process.
        evicted: by channel, the events evicted here for lack of bytes.
        shared: by channel, the bytes of the events in a shared log; empty if there is none.
    """

    @property
    def held(self) -> Mapping[str, int]: ...

    @property
    def evicted(self) -> Mapping[str, int]: ...

    @property
    def shared(self) -> Mapping[str, int]: ...

    @property
    def ttl(self) -> float: ...

    @property
    def size(self) -> int: ...

    @property
    def failing(self) -> Sequence[str]: ...

    @property
    def waiting(self) -> int: ...

    @property
    def behind(self) -> bool: ...

    @property
    def gaps(self) -> int: ...

    @property
    def unreadable(self) -> int: ...

    async def open(self) -> None:
        """Open the log; to be called before anything else."""
        ...

    async def flush(self) -> None:
        """Wait, for a bounded time, until local followers have the events appended here."""
        ...

    async def close(self) -> None:
        """Stop handing events to followers."""
        ...

    async def append(
        self, channel: str, records: Sequence[Mapping[str, Any]], tags: Sequence[str] = ()
    ) -> None:
        """Append records in order; the followers in every process get them.

        While the log is away, records wait in memory up to a bound; what exceeds it becomes a gap.

        Args:
            channel: its name.
            records: the resources' dicts; if one has no JSON form, none is appended.
            tags: of the cached answers that the records invalidate in the other processes.

        Raises:
            TypeError: if a record holds something that has no JSON form.
        """
        ...

    async def relay(self, rows: Sequence[OutboxRow]) -> None:
        """Append the events of outbox rows in order, each row once across all processes.

        Returns once the log has them. The points of rows are appended as by `append`.

        Raises:
            LogAway: if any of the rows may be missing from the log.
        """
        ...

    async def announce(self, tags: Sequence[str]) -> None:
        """Invalidate the cached answers of the tags in the other processes of the log."""
        ...

    async def gap(self, channel: str) -> None:
        """Publish a gap to every follower of the channel.

        Raises:
            LogAway: if the log cannot be reached.
        """
        ...

    async def adopt(self, history: str) -> bool:
        """Publish a gap in every channel if the log belongs to another history of the database.

        Args:
            history: of the database, as in `Engine.history`.

        Returns:
            Whether it does.

        Raises:
            LogAway: if the log cannot be reached; call it again.
        """
        ...

    def on_change(self, callback: Changed) -> None:
        """Call back with each tag that another process invalidates; None stands for all tags.

        Followers get an event after the callbacks for its tags.
        """
        ...

    def cursor(self, channel: str) -> str:
        """Return the position after the newest event."""
        ...

    def offset(self, channel: str) -> int:
        """Return the offset of the newest event."""
        ...

    async def reach(self, channel: str, cursor: str) -> None:
        """Wait, for a bounded time, until this process has caught up with a cursor."""
        ...

    def since(self, channel: str, cursor: str) -> Sequence[Event] | None:
        """Return every event after the cursor, or None if any of them may be missing."""
        ...

    def follow(self, follower: Follower, on_gap: GapCallback) -> Callable[[], None]:
        """Follow the log from now on, in order; return a function that stops it.

        Args:
            follower: called with the next events of one channel.
            on_gap: called where events may be missing.
        """
        ...
