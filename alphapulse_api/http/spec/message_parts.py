"""What the messages of the socket are described with: the parts that several of them share."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from marshmallow.fields import Field
from marshmallow.validate import Length

from alphapulse_api.domain.books import BOOK
from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.schemas.fields import METRIC_TYPE, BookId, Choice, MetricType
from alphapulse_api.sockets.filters import MAX_FILTER_VALUES, RECORDS
from alphapulse_api.sockets.options import OPTIONS
from alphapulse_api.sockets.requests import MAX_ID_LENGTH

Schema = dict[str, Any]


class Message(NamedTuple):
    """One message.

    Attributes:
        key: its name in the document; a request and its answer may have one `type`.
        kind: its `type`.
        payload: the name of its schema.
        summary: one sentence.
        members: the fields beside `type`.
        required: the members that the server always sends, or that the client must send.
        example: the fields other than `type`.
        sent: whether the client sends it.
    """

    key: str
    kind: str
    payload: str
    summary: str
    members: dict[str, Schema]
    required: tuple[str, ...]
    example: dict[str, Any]
    sent: bool = False

    @property
    def schema(self) -> Schema:
        """The payload; what the server sends may gain fields."""
        return {
            "type": "object",
            "description": self.summary,
            "required": ["type", *self.required],
            "properties": {"type": {"type": "string", "const": self.kind}, **self.members},
            "additionalProperties": not self.sent,
        }


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: Final = {"type": "string"}
TIME: Final = {"type": "string", "format": "date-time"}
SECONDS: Final = {"type": "number", "description": "seconds"}
ID: Final = {"id": ref("MessageId")}
CHANNEL_NAMES: Final = {
    "type": "array", "items": ref("ChannelName"), "minItems": 1, "uniqueItems": True,
}  # fmt: skip
CURSOR: Final = {"type": "string", "description": "opaque: where in the channel it stands"}


def _filters(channel: str) -> Schema:
    known = RECORDS[channel]().fields
    filters = {}
    for name, field in CHANNELS[channel].filters.items():
        filters[name] = {
            "type": "array",
            "items": _value(known[field]),
            "minItems": 1,
            "maxItems": MAX_FILTER_VALUES,
        }
    return {
        "type": "object",
        "description": f"Filters of {channel}: any of the values of a filter, and all filters.",
        "properties": filters,
        "additionalProperties": False,
    }


def _options(channel: str) -> Schema:
    return {
        "type": "object",
        "description": f"Options of {channel}.",
        "properties": {name: option.schema for name, option in OPTIONS[channel].items()},
        "additionalProperties": False,
    }


def _value(field: Field[Any]) -> Schema:
    """The schema of the values of a filter: those that the field may have."""
    match field:
        case Choice():
            return ref(type(field).__name__)
        case MetricType():
            return {**TEXT, "pattern": f"^{METRIC_TYPE}$"}
        case BookId():
            return {**TEXT, "pattern": rf"^(\*|{BOOK})$"}
    (length,) = (check for check in field.validators if isinstance(check, Length))
    return {**TEXT, "minLength": length.min, "maxLength": length.max}


def by_channel(description: str, schema: Schema) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": {name: schema for name in CHANNELS},
        "additionalProperties": True,
    }


_FILTERED: Final = [name for name, channel in CHANNELS.items() if channel.filters]
_OPTIONED: Final = [name for name, options in OPTIONS.items() if options]
SHARED: Final[dict[str, Schema]] = {
    "MessageId": {
        "type": ["integer", "string"],
        "maxLength": MAX_ID_LENGTH,
        "description": "The client's own; the answer to a request has the request's.",
    },
    "ChannelName": {
        "type": "string", "enum": list(CHANNELS), "description": "A channel of the socket.",
    },
    "Cursors": by_channel("A cursor for each channel.", CURSOR),
    "Filters": {
        "type": "object",
        "description": "Filters for each channel. Without `books`, trades and portfolio are those "
        "of the home book, and alerts those of every book that the caller has, as with `*`.",
        "properties": {name: ref(f"{name.capitalize()}Filters") for name in _FILTERED},
        "additionalProperties": False,
    },
    **{f"{name.capitalize()}Filters": _filters(name) for name in _FILTERED},
    "Options": {
        "type": "object",
        "description": "Options for each channel: in which form it is sent.",
        "properties": {name: ref(f"{name.capitalize()}Options") for name in _OPTIONED},
        "additionalProperties": False,
    },
    **{f"{name.capitalize()}Options": _options(name) for name in _OPTIONED},
    "SubscribedChannels": by_channel(
        "Where each channel begins.", ref("SubscribedChannel")
    ),
    "ActiveSubscriptions": by_channel(
        "What is subscribed to, by channel.", ref("ActiveSubscription")
    ),
    "SubscribedChannel": {
        "type": "object",
        "description": "Where a channel begins.",
        "required": ["cursor"],
        "properties": {
            "cursor": CURSOR,
            "resumed": {
                "type": "boolean",
                "description": "of a `since`: nothing is missing; if false, read the REST API",
            },
            "replayed": {"type": "integer", "description": "events that follow from the past"},
        },
        "additionalProperties": True,
    },
    "ActiveSubscription": {
        "type": "object",
        "description": "The filters and options of a channel that is subscribed to.",
        "required": ["filters"],
        "properties": {
            "filters": {
                "type": "object",
                "additionalProperties": {"type": "array", "items": TEXT},
            },
            "options": {
                "type": "object",
                "description": "those that were given",
                "additionalProperties": True,
            },
        },
        "additionalProperties": True,
    },
}  # fmt: skip
