"""What an event is, and what a log of events promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from alphapulse_api.domain.channels import Channel
from alphapulse_api.domain.encoding import dumps

if TYPE_CHECKING:
    from alphapulse_api.domain.outbox import OutboxRow


class Event:
    """Something that happened, encoded once for everyone who will be told.

    Args:
        channel: the channel it belongs to.
        offset: see below.
        cursor: see below.
        data: the resource's dict.
        body: the JSON of `data`, where it is at hand; else it is made when `text` is wanted.

    Attributes:
        channel: the channel it belongs to.
        offset: its number in the channel; each process counts by itself, and never back.
        cursor: its place in the channel, the same in every process; opaque to clients.
        data: the resource's dict; what was read back from a shared log has the types of JSON.
        text: the complete JSON message, as UTF-8.
    """

    __slots__ = ("_body", "_text", "channel", "cursor", "data", "offset")

    def __init__(
        self,
        channel: Channel,
        offset: int,
        cursor: str,
        data: Mapping[str, Any],
        body: bytes | None = None,
    ) -> None:
        self.channel = channel
        self.offset = offset
        self.cursor = cursor
        self.data = data
        self._body = body
        self._text: bytes | None = None

    @property
    def text(self) -> bytes:
        # Not before somebody is told: of most metric points nobody is.
        if self._text is None:
            body = dumps(self.data) if self._body is None else self._body
            self._text = message(self.channel, self.cursor, body)
            self._body = None
        return self._text

    def __repr__(self) -> str:
        return f"<Event {self.channel.name} {self.cursor}>"


class Gap:
    """A place in a channel before which events may be missing.

    Attributes:
        channel: the channel that it is in.
        offset: its number, counted with the events.
        cursor: the place itself: from here on nothing is missing.
        text: the message that tells a client of it.
    """

    __slots__ = ("channel", "cursor", "offset", "text")

    def __init__(self, channel: Channel, offset: int, cursor: str) -> None:
        self.channel = channel
        self.offset = offset
        self.cursor = cursor
        self.text = dumps({"type": "resync", "channel": channel.name, "cursor": cursor})

    def __repr__(self) -> str:
        return f"<Gap {self.channel.name} {self.cursor}>"


def message(channel: Channel, cursor: str, body: bytes, **members: Any) -> bytes:
    """The JSON of a data message, around the JSON of its data; with members like snapshot=True."""
    head = {"type": channel.type, "channel": channel.name, "cursor": cursor, **members}
    return b'%b,"data":%b}' % (dumps(head)[:-1], body)


class LogAway(Exception):
    """The log cannot be reached for now."""


Follower = Callable[[Sequence[Event]], None]
GapCallback = Callable[[Gap], None]
Changed = Callable[[str | None], None]


class EventLog(Protocol):
    """An append-only log a channel, with a bounded past.

    Attributes:
        waiting: events that the log has not taken yet; they are in memory.
        behind: whether events that others appended seconds ago may not have been handed out here.
        gaps: places where events may be missing.
        unreadable: entries of a shared log that were not ours, or damaged.
        failing: names of its tasks that do not run as they should.
        size: events that it keeps a channel.
        ttl: seconds that it keeps an event, and knows a row that was relayed; not so long of many.
    """

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
        """Get ready for all the rest."""
        ...

    async def flush(self) -> None:
        """Wait, for a bounded time, until what was appended here has been handed out here."""
        ...

    async def close(self) -> None:
        """Hand out nothing more."""
        ...

    async def append(
        self, channel: str, records: Sequence[Mapping[str, Any]], tags: Sequence[str] = ()
    ) -> None:
        """Append records in order; the followers, of every process, are handed them.

        While the log is away they wait in memory, within a bound; what exceeds it becomes a gap.

        Args:
            channel: its name.
            records: the resources' dicts; none of them is appended if one has no JSON form.
            tags: of cached answers that the records make stale, in the other processes.

        Raises:
            TypeError: if a record holds something that has no JSON form.
        """
        ...

    async def relay(self, rows: Sequence[OutboxRow]) -> None:
        """Append the events of outbox rows in order, each row once, whoever relays it.

        Returns once the log has them. Points of rows are appended as `append` does.

        Raises:
            LogAway: if the log may lack any of the rows.
        """
        ...

    async def announce(self, tags: Sequence[str]) -> None:
        """Invalidate the cached answers of the tags in the other processes of the log."""
        ...

    async def gap(self, channel: str) -> None:
        """Say, to everyone, that events are missing here.

        Raises:
            LogAway: if the log cannot be reached.
        """
        ...

    async def adopt(self, history: str) -> bool:
        """Publish a gap in every channel if the log's events are of another history.

        Args:
            history: of the database, as `Engine.history` names it.

        Returns:
            Whether they are.

        Raises:
            LogAway: if the log cannot be reached; to be called again.
        """
        ...

    def on_change(self, callback: Changed) -> None:
        """Call back with each tag that another process invalidates.

        None stands for all of them. An event is handed out after the tags that it carries.
        """
        ...

    def cursor(self, channel: str) -> str:
        """The place after the newest event."""
        ...

    def offset(self, channel: str) -> int:
        """The number of the newest event."""
        ...

    async def reach(self, channel: str, cursor: str) -> None:
        """Wait, for a bounded time, until a place another process has come to is known here."""
        ...

    def since(self, channel: str, cursor: str) -> Sequence[Event] | None:
        """Every event after the cursor, or None if any of them may be missing."""
        ...

    def follow(self, follower: Follower, on_gap: GapCallback) -> Callable[[], None]:
        """Be handed all that comes from now on, in its order; returns what ends that.

        Args:
            follower: takes the next events of one channel.
            broken: told where events may be missing between those before and those after.
        """
        ...
