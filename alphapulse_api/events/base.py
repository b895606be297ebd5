"""What an event is, which channels there are, and what a log of them promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from alphapulse_api.encoding import dumps


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
    # news, however: so a point's identity is its series and its time.
    identity: Callable[[Mapping[str, Any]], tuple[Any, Any]]


def _series(data: Mapping[str, Any]) -> tuple[Any, ...]:
    return (data["metric_type"], data["name"], *data["labels"].items())


_ALERT_STAGES: Final = {"active": 0, "acknowledged": 1, "resolved": 2}

CHANNELS: Final = {
    channel.name: channel
    for channel in (
        Channel(
            "metrics",
            "metric",
            "view_metrics",
            {"metric_types": "metric_type", "names": "name"},
            _series,
            lambda data: ((_series(data), data["timestamp"]), 0),
        ),
        Channel(
            "alerts",
            "alert",
            "view_alerts",
            {"severities": "severity", "sources": "source"},
            None,
            lambda data: (data["id"], _ALERT_STAGES[data["status"]]),
        ),
        Channel(
            "trades",
            "trade",
            "view_trades",
            {"symbols": "symbol", "strategies": "strategy"},
            None,
            lambda data: (data["id"], 0),
        ),
        Channel(
            "portfolio",
            "portfolio",
            "view_portfolio",
            {},
            lambda data: None,
            lambda data: (None, data["as_of"]),
        ),
    )
}


class Event:
    """Something that happened, encoded once for everyone who will be told.

    Attributes:
        channel: the channel it belongs to.
        offset: its number in the channel, within one epoch.
        cursor: its place in the channel; opaque to clients.
        data: the resource's dict.
        text: the complete JSON message, as UTF-8.
    """

    __slots__ = ("channel", "cursor", "data", "offset", "text")

    def __init__(self, channel: Channel, offset: int, cursor: str, data: Mapping[str, Any]) -> None:
        self.channel = channel
        self.offset = offset
        self.cursor = cursor
        self.data = data
        self.text = message(channel, cursor, data)

    def __repr__(self) -> str:
        return f"<Event {self.channel.name} {self.cursor}>"


def message(channel: Channel, cursor: str, data: Mapping[str, Any], **members: Any) -> bytes:
    """The JSON of a data message, with further members such as snapshot=True."""
    head = {"type": channel.type, "channel": channel.name, "cursor": cursor}
    return dumps({**head, **members, "data": data})


Follower = Callable[[Sequence[Event]], None]


class EventLog(Protocol):
    """An append-only log a channel, with a bounded past."""

    async def append(self, channel: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Append records in order and hand them to the followers."""
        ...

    def cursor(self, channel: str) -> str:
        """The place after the newest event."""
        ...

    def offset(self, channel: str) -> int:
        """The number of the newest event."""
        ...

    def since(self, channel: str, cursor: str) -> Sequence[Event] | None:
        """Every event after the cursor, or None if any of them may be missing."""
        ...

    def follow(self, follower: Follower) -> Callable[[], None]:
        """Call `follower` with every batch appended from now on; returns what ends that."""
        ...
