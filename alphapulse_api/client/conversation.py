"""The client's side of the protocol without I/O: messages in, entries for the consumer out.

It outlives connections. It keeps the cursor of each channel, so that a new connection resumes from
there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from alphapulse_api.client import values
from alphapulse_api.client.errors import StreamError
from alphapulse_api.client.folding import CHANGES, Folding

Filters = Mapping[str, Mapping[str, Sequence[str]]]
Options = Mapping[str, Mapping[str, Any]]

# The ids of our requests. The ping is sent right after the subscribe. Requests are answered in
# order, so its pong shows that everything caused by the subscribe has arrived.
AUTH: Final = "auth"
SUBSCRIBE: Final = "subscribe"
SETTLED: Final = "settled"

# Errors that may pass on another connection; the others are faults of the request.
PASSING: Final = frozenset({"internal", "rate_limited", "unauthenticated"})


@dataclass(frozen=True, slots=True)
class Event:
    """A published record or, with `snapshot`, part of the current state.

    Attributes:
        type: metric, alert, trade or portfolio; signal or decision, if the stream includes them.
        channel: metrics, alerts, trades or portfolio.
        cursor: its position in the channel; opaque.
        data: the row; see `alphapulse_api.client.rows`.
        snapshot: whether it is part of a snapshot.
        skipped: how many older values of the same series or portfolio the server skipped, because
            this client read too slowly.
    """

    type: str
    channel: str
    cursor: str
    data: Mapping[str, Any]
    snapshot: bool = False
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class StreamGap:
    """Events of the channel may be missing here; read the current state by REST.

    The server's event log did not reach back to where the connection was lost, or was itself lost.

    Attributes:
        channel: the channel.
        cursor: the cursor after which nothing is missing; None if the server did not send one.
    """

    channel: str
    cursor: str | None


class Entry(NamedTuple):
    """An item for the consumer, if any, and the channels' cursors after it."""

    item: Event | StreamGap | None
    cursors: Mapping[str, str]


class PassingError(Exception):
    """The server failed to carry out a request; another connection may succeed."""


class CredentialsError(Exception):
    """The server refuses the credentials; the text is the error code."""


class _Snapshot:
    """The part of a snapshot received so far; handed over when it is complete."""

    __slots__ = ("cursor", "items")

    def __init__(self, cursor: str) -> None:
        self.cursor = cursor
        self.items: list[Event | StreamGap] = []


class Conversation:
    """The subscription of one stream, and its cursors.

    Args:
        channels: names.
        filters: by channel, lists by filter name.
        options: by channel, values by option name.
        snapshot: whether to ask for the current state of a channel that is not resumed.
        since: cursors to resume from, by channel.
    """

    def __init__(
        self,
        channels: Sequence[str],
        filters: Filters,
        options: Options,
        snapshot: bool,
        since: Mapping[str, str],
    ) -> None:
        self._channels = tuple(channels)
        self._filters = {
            channel: {name: list(wanted) for name, wanted in lists.items()}
            for channel, lists in filters.items()
        }
        self._options = {channel: dict(chosen) for channel, chosen in options.items()}
        self._folding: Folding | None = None
        if self._options.get("portfolio", {}).get("positions") == "changes":
            self._folding = Folding()
        self._snapshot = snapshot
        self._cursors = dict(since)
        self._snapshots: dict[str, _Snapshot] = {}
        self.settled = False

    def __repr__(self) -> str:
        return f"<Conversation {' '.join(self._channels)}>"

    def begin(self) -> list[dict[str, Any]]:
        """Return the messages to send on a new connection once it is authenticated."""
        self._snapshots.clear()
        self.settled = False
        subscribe = {
            "type": "subscribe",
            "id": SUBSCRIBE,
            "channels": self._channels,
            "filters": self._filters,
            **({"options": self._options} if self._options else {}),
            "since": self._cursors,
            "snapshot": self._snapshot,
        }
        return [subscribe, {"type": "ping", "id": SETTLED}]

    def receive(self, message: Mapping[str, Any]) -> list[Entry]:
        """Return the entries that one message leads to; messages of unknown types are ignored.

        Raises:
            StreamError: if the request is refused.
            CredentialsError: if the credentials are refused.
            PassingError: if another connection may succeed.
        """
        match message:
            case {"data": _, "channel": _}:
                return self._event(message)
            case {"type": "subscribed"}:
                return self._subscribed(message["channels"])
            case {"type": "snapshot_end"}:
                return self._release(message["channel"])
            case {"type": "pong", "id": "settled"}:
                self.settled = True
                return self._release(*self._snapshots)
            case {"type": "heartbeat"}:
                return self._progressed(message["cursors"])
            case {"type": "resync"}:
                return self._resynced(message["channel"], message.get("cursor"))
            case {"type": "unsubscribed"}:
                # Never requested by us: the permission was withdrawn.
                raise StreamError(
                    "forbidden", "the permission was withdrawn", message["channels"][0]
                )
            case {"type": "error"}:
                raise _fault(message)
        return []

    def _event(self, message: Mapping[str, Any]) -> list[Entry]:
        channel, cursor = message["channel"], message["cursor"]
        kind, data = self._converted(message)
        event = Event(
            kind,
            channel,
            cursor,
            data,
            message.get("snapshot", False),
            message.get("skipped", 0),
        )
        if event.snapshot and channel in self._snapshots:
            self._snapshots[channel].items.append(event)
            return []
        entries = self._release(channel)
        self._cursors[channel] = cursor
        return [*entries, Entry(event, {channel: cursor})]

    def _converted(self, message: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """Return the type of a message and its row; changes become a whole portfolio."""
        kind, channel = message["type"], message["channel"]
        if self._folding is not None and kind == CHANGES:
            return channel, self._folding.folded(message["data"])
        shape = values.TYPES.get(kind) or values.CHANNELS.get(channel, values.PLAIN)
        data = values.convert(message["data"], shape)
        if self._folding is not None and channel == "portfolio":
            self._folding.key_frame(data)
        return kind, data

    def _subscribed(self, acks: Mapping[str, Mapping[str, Any]]) -> list[Entry]:
        for channel, ack in acks.items():
            if ack.get("resumed", False):
                continue
            snapshot = self._snapshots[channel] = _Snapshot(ack["cursor"])
            if channel in self._cursors:
                snapshot.items.append(StreamGap(channel, ack["cursor"]))
        return [] if self._snapshot else self._release(*self._snapshots)

    def _resynced(self, channel: str, cursor: str | None) -> list[Entry]:
        """Report a gap and continue after it."""
        entries = self._release(channel)
        if cursor is not None:
            self._cursors[channel] = cursor
        return [
            *entries,
            Entry(StreamGap(channel, cursor), {} if cursor is None else {channel: cursor}),
        ]

    def _release(self, *channels: str) -> list[Entry]:
        """Return the entries of the channels' snapshots, which are complete."""
        entries: list[Entry] = []
        for channel in channels:
            snapshot = self._snapshots.pop(channel, None)
            if snapshot is None:
                continue
            # The cursor comes last: a consumer that stores cursors must not skip unread entries.
            entries.extend(Entry(item, {}) for item in snapshot.items)
            entries.append(Entry(None, {channel: snapshot.cursor}))
            self._cursors[channel] = snapshot.cursor
        return entries

    def _progressed(self, cursors: Mapping[str, str]) -> list[Entry]:
        known = {name: at for name, at in cursors.items() if name not in self._snapshots}
        self._cursors.update(known)
        return [Entry(None, known)]


def _fault(message: Mapping[str, Any]) -> Exception:
    code, text = message["code"], message["message"]
    if code in ("auth_failed", "token_expired"):
        return CredentialsError(code)
    if code in PASSING:
        return PassingError(f"{code}: {text}")
    return StreamError(code, text, message.get("channel"))
