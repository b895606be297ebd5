"""Requests of the socket: from one text frame to one validated request.

Every message is either valid as a whole or refused with one error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, NoReturn

import orjson

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.sockets.command_requests import (
    COMMAND_FIELDS,
    COMMAND_REQUESTS,
    CommandRequest,
)
from alphapulse_api.sockets.filters import Filters, InvalidFilter, filters_of
from alphapulse_api.sockets.options import InvalidOption, Options, options_of
from alphapulse_api.sockets.refusal import MessageId, Refused

MAX_ID_LENGTH: Final = 36
MAX_LENGTH_FOR_ID: Final = 4096  # bytes up to which a message refused unread is parsed for its id
MAX_CURSOR_LENGTH: Final = 256

# Message type -> the fields it may have in addition to type and id.
REQUESTS: Final[Mapping[str, frozenset[str]]] = {
    "auth": frozenset({"token", "api_key"}),
    "subscribe": frozenset({"channels", "filters", "options", "since", "snapshot"}),
    "unsubscribe": frozenset({"channels"}),
    "subscriptions": frozenset(),
    "ping": frozenset(),
    **COMMAND_FIELDS,
}

# Message types that need no authentication.
OPEN: Final = frozenset({"auth", "ping"})


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Check these credentials, then call `Protocol.authenticated` or `Protocol.refused`."""

    id: MessageId
    token: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)


class Selection(NamedTuple):
    """Which events of a channel a client wants, and in which form."""

    filters: Filters
    options: Options


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Subscribe to all of these channels, or to none, and acknowledge."""

    id: MessageId
    channels: Mapping[str, Selection]
    since: Mapping[str, str]
    snapshot: bool


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Unsubscribe from these channels and acknowledge."""

    id: MessageId
    channels: Sequence[str]


@dataclass(frozen=True, slots=True)
class ListSubscriptions:
    """Answer with the current subscriptions."""

    id: MessageId


@dataclass(frozen=True, slots=True)
class Ping:
    """Answer with a pong."""

    id: MessageId


Request = Authenticate | Subscribe | Unsubscribe | ListSubscriptions | Ping | CommandRequest


def parse(text: str, *, authenticated: bool) -> Request:
    """Parse and validate one text frame.

    Args:
        text: the frame.
        authenticated: whether the client is; otherwise only the types in `OPEN` are valid.

    Raises:
        Refused: with the id of the message, if it has a valid one.
    """
    message_id: MessageId = None
    try:
        message = _object(text)
        message_id = _id(message)
        _check_fields(message)
        if not authenticated and message["type"] not in OPEN:
            raise Refused("unauthenticated", "Authenticate first.")
        return _request(message, message_id)
    except Refused as refusal:
        refusal.id = message_id
        raise


def id_of(text: str) -> MessageId:
    """Return the id of a message that is refused unread; None if it costs too much to find."""
    if len(text) > MAX_LENGTH_FOR_ID:
        return None
    try:
        return _id(_object(text))
    except Refused:
        return None


def _request(message: dict[str, Any], message_id: MessageId) -> Request:
    match message["type"]:
        case "auth":
            return _authenticate(message, message_id)
        case "subscribe":
            return _subscribe(message, message_id)
        case "unsubscribe":
            return Unsubscribe(message_id, _channels(message))
        case "subscriptions":
            return ListSubscriptions(message_id)
        case "ping":
            return Ping(message_id)
        case kind:
            return COMMAND_REQUESTS[kind](message, message_id)


def _object(text: str) -> dict[str, Any]:
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        if _is_json(text):
            raise Refused(
                "invalid_message",
                "A message must have numbers that fit a double, and strings of whole characters.",
            ) from None
        raise Refused("invalid_json", "The frame is not JSON, or nests too deep.") from None
    if not isinstance(message, dict):
        raise Refused("invalid_message", "A message must be a JSON object.")
    return message


def _is_json(text: str) -> bool:
    """Whether the text is JSON by its grammar, which permits `1e400` and half a surrogate pair."""
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_no_json)
        text.encode()
    except (ValueError, RecursionError):
        return False
    return True


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _id(message: dict[str, Any]) -> MessageId:
    """Return the message's id; type and fields are checked later, so that errors can carry it."""
    message_id = message.get("id")
    if isinstance(message_id, bool) or not isinstance(message_id, (int, str, type(None))):
        raise Refused("invalid_message", "id must be an integer or a string.")
    if isinstance(message_id, str) and len(message_id) > MAX_ID_LENGTH:
        raise Refused("invalid_message", f"id must have at most {MAX_ID_LENGTH} characters.")
    return message_id


def _check_fields(message: dict[str, Any]) -> None:
    kind, known = message.get("type"), ", ".join(REQUESTS)
    if "type" not in message:
        raise Refused("invalid_message", f"type is missing: use {known}.")
    if not isinstance(kind, str):
        raise Refused("invalid_message", f"type must be a string: use {known}.")
    allowed = REQUESTS.get(kind)
    if allowed is None:
        raise Refused("unknown_type", f"There is no message type {kind[:64]!r}: use {known}.")
    if unknown := sorted(message.keys() - allowed - {"type", "id"}):
        raise Refused("invalid_message", f"{kind} has no field {unknown[0][:64]!r}.")


def _authenticate(message: dict[str, Any], message_id: MessageId) -> Authenticate:
    token, api_key = message.get("token"), message.get("api_key")
    given = [value for value in (token, api_key) if value is not None]
    if not given:
        raise Refused("invalid_message", "token or api_key is missing.")
    if len(given) > 1:
        raise Refused("invalid_message", "auth takes a token or an api_key, not both.")
    if not isinstance(given[0], str):
        name = "api_key" if token is None else "token"
        raise Refused("invalid_message", f"{name} must be a string.")
    return Authenticate(message_id, token, api_key)


def _subscribe(message: dict[str, Any], message_id: MessageId) -> Subscribe:
    channels = _channels(message)
    snapshot = message.get("snapshot")
    if not isinstance(snapshot, (bool, type(None))):
        raise Refused("invalid_message", "snapshot must be true or false.")
    since = _by_channel(message, "since", channels, "invalid_message")
    for name, cursor in since.items():
        if not isinstance(cursor, str) or len(cursor) > MAX_CURSOR_LENGTH:
            text = f"A cursor must be a string of at most {MAX_CURSOR_LENGTH} characters."
            raise Refused("invalid_message", text, name)
    filters = _by_channel(message, "filters", channels, "invalid_filter")
    options = _by_channel(message, "options", channels, "invalid_message")
    wanted = {
        name: Selection(
            _filters(name, filters.get(name, {})), _options(name, options.get(name, {}))
        )
        for name in channels
    }
    return Subscribe(message_id, wanted, since, bool(snapshot))


def _channels(message: dict[str, Any]) -> list[str]:
    channels = message.get("channels")
    if "channels" not in message:
        raise Refused("invalid_message", "channels is missing: it is a list of channel names.")
    if not isinstance(channels, list) or not channels or len(channels) > len(CHANNELS):
        raise Refused("invalid_message", "channels must be a list of channel names.")
    for name in channels:
        if not isinstance(name, str):
            raise Refused("invalid_message", "channels must be a list of channel names.")
        if name not in CHANNELS:
            known = ", ".join(CHANNELS)
            raise Refused("unknown_channel", f"There is no such channel: use {known}.", name[:64])
    if len(set(channels)) != len(channels):
        raise Refused("invalid_message", "A channel may be named only once.")
    return channels


def _by_channel(
    message: dict[str, Any], name: str, channels: Sequence[str], code: str
) -> dict[str, Any]:
    value = message.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused(code, f"{name} must be an object whose keys are channels.")
    for channel in value:
        if channel not in channels:
            text = f"{name} may only name channels of this request."
            raise Refused(code, text, channel[:64])
    return _given(value)


def _given(members: dict[str, Any]) -> dict[str, Any]:
    """The members that are not null, which means left out."""
    return {name: value for name, value in members.items() if value is not None}


def _filters(channel: str, given: Any) -> Filters:
    try:
        return filters_of(channel, given)
    except InvalidFilter as error:
        raise Refused("invalid_filter", str(error), channel) from None


def _options(channel: str, given: Any) -> Options:
    try:
        return options_of(channel, given)
    except InvalidOption as error:
        raise Refused("invalid_message", str(error), channel) from None
