"""The socket's protocol as a state machine without I/O: text in, actions out.

The endpoint carries the actions out and reports back what became of an authentication. Every
message is either acted on whole or answered with one error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from alphapulse_api.auth.caller import Caller
from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.errors import AUTH_FAILED, FLOODING, TOKEN_EXPIRED, Close
from alphapulse_api.domain.times import now
from alphapulse_api.limits import Gcra

VERSION: Final = 1
MAX_ID_LENGTH: Final = 36
MAX_LENGTH_FOR_ID: Final = 4096  # a longer message that is refused unread is refused without its id
MAX_FILTER_VALUES: Final = 100
MAX_VALUE_LENGTH: Final = 256
MESSAGES_A_SECOND: Final = 10
MESSAGE_BURST: Final = 20
# More refusals than acceptances, by this many, and a client that does not listen is cut off.
MAX_REFUSALS: Final = 100

# Message type -> the fields it may have beside type and id.
REQUESTS: Final[Mapping[str, frozenset[str]]] = {
    "auth": frozenset({"token", "api_key"}),
    "subscribe": frozenset({"channels", "filters", "since", "snapshot"}),
    "unsubscribe": frozenset({"channels"}),
    "subscriptions": frozenset(),
    "ping": frozenset(),
}

Filters = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Reply:
    """Send this message."""

    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Check these credentials, then call `authenticated` or `refused`."""

    id: int | str | None
    token: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Subscribe to these channels, all of them, and acknowledge."""

    id: int | str | None
    channels: Mapping[str, Filters]
    since: Mapping[str, str]
    snapshot: bool


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Stop these channels and acknowledge."""

    id: int | str | None
    channels: Sequence[str]


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection."""

    close: Close


Quick = Reply | Unsubscribe | Disconnect
Slow = Authenticate | Subscribe  # they look into stores
Action = Quick | Slow


class _Refused(Exception):
    """A message that cannot be acted on."""

    def __init__(self, code: str, text: str, **more: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.more = more


class Protocol:
    """One connection's side of the conversation.

    Args:
        caller: who it is, if the handshake said so.
    """

    __slots__ = ("_limit", "_refusals", "caller", "subscriptions")

    def __init__(self, caller: Caller | None = None) -> None:
        self.caller = caller
        self.subscriptions: dict[str, Filters] = {}
        self._limit = Gcra(MESSAGE_BURST, MESSAGE_BURST / MESSAGES_A_SECOND, callers=1)
        self._refusals = 0

    def count(self, text: str) -> list[Quick]:
        """Count a text frame when it comes; what to do instead of acting on it, if anything."""
        if not self._limit.take(None).allowed:
            return self._flooded(text)
        self._refusals = max(0, self._refusals - 1)
        return []

    def receive(self, text: str) -> list[Action]:
        """What to do about one text frame that was counted."""
        message_id: int | str | None = None
        try:
            message = _parse(text)
            message_id = _id(message)
            _check_fields(message)
            return [self._act(message, message_id)]
        except _Refused as refusal:
            return [error(message_id, refusal.code, refusal.text, **refusal.more)]

    def authenticated(self, message_id: int | str | None, caller: Caller) -> list[Quick]:
        """The credentials are good."""
        self.caller = caller
        return [
            _reply(
                "authenticated",
                message_id,
                username=caller.username,
                role=caller.role,
                expires_at=caller.expires_at,
            )
        ]

    def refused(self, message_id: int | str | None, reason: str, *, expired: bool) -> list[Quick]:
        """The credentials are not good."""
        code, close = ("token_expired", TOKEN_EXPIRED) if expired else ("auth_failed", AUTH_FAILED)
        return [error(message_id, code, reason), Disconnect(close)]

    def _flooded(self, frame: str) -> list[Quick]:
        self._refusals += 1
        if self._refusals > MAX_REFUSALS:
            return [Disconnect(FLOODING)]
        text = f"At most {MESSAGES_A_SECOND} messages a second, {MESSAGE_BURST} in a burst."
        return [error(id_of(frame), "rate_limited", text)]

    def _act(self, message: dict[str, Any], message_id: int | str | None) -> Action:
        kind = message["type"]
        if kind == "ping":
            return _reply("pong", message_id, timestamp=now())
        if kind == "auth":
            return _authenticate(message, message_id)
        if self.caller is None:
            raise _Refused("unauthenticated", "Authenticate first.")
        if kind == "subscribe":
            return self._subscribe(message, message_id, self.caller)
        if kind == "unsubscribe":
            channels = _channels(message)
            return Unsubscribe(message_id, channels)
        shown = {
            name: {"filters": {key: sorted(values) for key, values in filters.items()}}
            for name, filters in self.subscriptions.items()
        }
        return _reply("subscriptions", message_id, channels=shown)

    def _subscribe(
        self, message: dict[str, Any], message_id: int | str | None, caller: Caller
    ) -> Subscribe:
        channels = _channels(message)
        for name in channels:
            if CHANNELS[name].permission not in caller.permissions:
                raise _Refused("forbidden", f"You may not read {name}.", channel=name)
        snapshot = message.get("snapshot", False)
        if not isinstance(snapshot, bool):
            raise _Refused("invalid_message", "snapshot must be true or false.")
        since = _by_channel(message, "since", channels, "invalid_message")
        for name, cursor in since.items():
            if not isinstance(cursor, str) or len(cursor) > MAX_VALUE_LENGTH:
                raise _Refused("invalid_message", "A cursor is a string.", channel=name)
        filters = _by_channel(message, "filters", channels, "invalid_filter")
        return Subscribe(
            message_id,
            {name: _filters(name, filters.get(name, {})) for name in channels},
            since,
            snapshot,
        )


def _reply(kind: str, message_id: int | str | None, **members: Any) -> Reply:
    head = {"type": kind} if message_id is None else {"type": kind, "id": message_id}
    return Reply({**head, **members})


def error(message_id: int | str | None, code: str, text: str, **more: str) -> Reply:
    """An error message; `code` is one of `SOCKET_ERRORS`."""
    return _reply("error", message_id, code=code, message=text, **more)


def acknowledged(
    kind: str, message_id: int | str | None, channels: Mapping[str, Any] | Sequence[str]
) -> Reply:
    """The answer to subscribe and unsubscribe."""
    return _reply(kind, message_id, channels=channels)


def _parse(text: str) -> dict[str, Any]:
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _Refused("invalid_json", "The frame is not JSON.") from None
    if not isinstance(message, dict):
        raise _Refused("invalid_message", "A message must be a JSON object.")
    return message


def _id(message: dict[str, Any]) -> int | str | None:
    """The message's id; its type and fields are checked after it, so that errors can carry it."""
    message_id = message.get("id")
    if isinstance(message_id, bool) or not isinstance(message_id, (int, str, type(None))):
        raise _Refused("invalid_message", "id must be an integer or a string.")
    if isinstance(message_id, str) and len(message_id) > MAX_ID_LENGTH:
        raise _Refused("invalid_message", f"id must have at most {MAX_ID_LENGTH} characters.")
    return message_id


def id_of(text: str) -> int | str | None:
    """The id of a message that is not acted on; None where it would cost much to find."""
    if len(text) > MAX_LENGTH_FOR_ID:
        return None
    try:
        return _id(_parse(text))
    except _Refused:
        return None


def _check_fields(message: dict[str, Any]) -> None:
    kind, known = message.get("type"), ", ".join(REQUESTS)
    if "type" not in message:
        raise _Refused("invalid_message", f"type is missing: use {known}.")
    if not isinstance(kind, str):
        raise _Refused("invalid_message", f"type must be a string: use {known}.")
    allowed = REQUESTS.get(kind)
    if allowed is None:
        raise _Refused("unknown_type", f"There is no message type {kind[:64]!r}: use {known}.")
    if unknown := sorted(message.keys() - allowed - {"type", "id"}):
        raise _Refused("invalid_message", f"{kind} has no field {unknown[0][:64]!r}.")


def _authenticate(message: dict[str, Any], message_id: int | str | None) -> Authenticate:
    token, api_key = message.get("token"), message.get("api_key")
    given = [value for value in (token, api_key) if value is not None]
    if not given:
        raise _Refused("invalid_message", "token or api_key is missing.")
    if len(given) > 1:
        raise _Refused("invalid_message", "auth takes a token or an api_key, not both.")
    if not isinstance(given[0], str):
        name = "api_key" if token is None else "token"
        raise _Refused("invalid_message", f"{name} must be a string.")
    return Authenticate(message_id, token, api_key)


def _channels(message: dict[str, Any]) -> list[str]:
    channels = message.get("channels")
    if "channels" not in message:
        raise _Refused("invalid_message", "channels is missing: it is a list of channel names.")
    if not isinstance(channels, list) or not channels or len(channels) > len(CHANNELS):
        raise _Refused("invalid_message", "channels must be a list of channel names.")
    for name in channels:
        if not isinstance(name, str):
            raise _Refused("invalid_message", "channels must be a list of channel names.")
        if name not in CHANNELS:
            known = ", ".join(CHANNELS)
            raise _Refused(
                "unknown_channel", f"There is no such channel: use {known}.", channel=name[:64]
            )
    if len(set(channels)) != len(channels):
        raise _Refused("invalid_message", "A channel is named twice.")
    return channels


def _by_channel(
    message: dict[str, Any], name: str, channels: Sequence[str], code: str
) -> dict[str, Any]:
    value = message.get(name, {})
    if not isinstance(value, dict):
        raise _Refused(code, f"{name} must be an object by channel.")
    for channel in value:
        if channel not in channels:
            text = f"{name} names a channel that is not subscribed to."
            raise _Refused(code, text, channel=channel[:64])
    return value


def _filters(channel: str, given: Any) -> Filters:
    known = CHANNELS[channel].filters
    if not isinstance(given, dict):
        raise _Refused("invalid_filter", "Filters are an object of lists.", channel=channel)
    for name, values in given.items():
        if name not in known:
            names = ", ".join(known) or "none"
            text = f"{channel} has no filter {name[:64]!r}; it has {names}."
            raise _Refused("invalid_filter", text, channel=channel)
        if (
            not isinstance(values, list)
            or not 1 <= len(values) <= MAX_FILTER_VALUES
            or not all(isinstance(v, str) and len(v) <= MAX_VALUE_LENGTH for v in values)
        ):
            text = f"{name} must be a list of 1 to {MAX_FILTER_VALUES} strings."
            raise _Refused("invalid_filter", text, channel=channel)
    return {name: frozenset(values) for name, values in given.items()}
