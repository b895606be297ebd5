"""What an event is, which channels there are, and what a log of them promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.times import to_micros

if TYPE_CHECKING:
    from alphapulse_api.storage.engine.outbox import OutboxRow


class Channel(NamedTuple):
    """One logical channel of the socket, as data."""

    name: str
    type: str  # the `type` of its frames
    permission: str
    filters: Mapping[str, str]  # filter name -> field of the event's data that it looks at
    # A slow client of a conflated channel keeps only the newest event of each key; on the others
    # every event counts.
    conflate: Callable[[Mapping[str, Any]], Any] | None
    # The identity of what an event tells of, and how far along its life it is: an event that is
    # not further than the snapshot already sent is not sent again. A late point of a series is
    # news, however: so a point's identity is its series and its time. The same for a row of the
    # store and for an event that was read back as JSON.
    identity: Callable[[Mapping[str, Any]], tuple[Any, int]]


def _series(data: Mapping[str, Any]) -> tuple[Any, ...]:
    return (data["metric_type"], data["name"], *data["labels"].items())


def _micros(value: Any) -> int:
    if value is None:
        return 0  # a trade of before changes were noted, or of a host's own accessor
    return to_micros(datetime.fromisoformat(value) if isinstance(value, str) else value)


def _stage(alert: Mapping[str, Any]) -> int:
    """An alert may be resolved before it is acknowledged; of neither is there a way back."""
    return 2 * int(alert["status"] == "resolved") + int(alert["acknowledged"])


CHANNELS: Final = {
    channel.name: channel
    for channel in (
        Channel(
            "metrics",
            "metric",
            "view_metrics",
            {"metric_types": "metric_type", "names": "name"},
            _series,
            lambda data: ((_series(data), _micros(data["timestamp"])), 0),
        ),
        Channel(
            "alerts",
            "alert",
            "view_alerts",
            {"severities": "severity", "sources": "source"},
            None,
            lambda data: (data["id"], _stage(data)),
        ),
        Channel(
            "trades",
            "trade",
            "view_trades",
            {"symbols": "symbol", "strategies": "strategy"},
            None,
            lambda data: (data["id"], _micros(data.get("updated_at"))),
        ),
        Channel(
            "portfolio",
            "portfolio",
            "view_portfolio",
            {},
            lambda data: None,
            lambda data: ("current", _micros(data["as_of"])),
        ),
    )
}


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
