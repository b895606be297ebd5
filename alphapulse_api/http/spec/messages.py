"""The messages of the socket: their payloads as schemas with names, and an example of each."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from marshmallow.fields import Field
from marshmallow.validate import Length

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.errors import SOCKET_ERRORS
from alphapulse_api.http.spec.examples import ANSWERS
from alphapulse_api.schemas.fields import METRIC_TYPE, Choice, MetricType
from alphapulse_api.sockets.filters import MAX_FILTER_VALUES, RECORDS
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


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_TEXT: Final = {"type": "string"}
_TIME: Final = {"type": "string", "format": "date-time"}
_SECONDS: Final = {"type": "number", "description": "seconds"}
_ID: Final = {"id": _ref("MessageId")}
_CHANNELS: Final = {
    "type": "array", "items": _ref("ChannelName"), "minItems": 1, "uniqueItems": True,
}  # fmt: skip
_CURSOR: Final = {"type": "string", "description": "opaque: where in the channel it stands"}


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


def _value(field: Field[Any]) -> Schema:
    """The schema of the values of a filter: those that the field may have."""
    match field:
        case Choice():
            return _ref(type(field).__name__)
        case MetricType():
            return {**_TEXT, "pattern": f"^{METRIC_TYPE}$"}
    (length,) = (check for check in field.validators if isinstance(check, Length))
    return {**_TEXT, "minLength": length.min, "maxLength": length.max}


def _by_channel(description: str, schema: Schema) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": {name: schema for name in CHANNELS},
        "additionalProperties": True,
    }


_FILTERED: Final = [name for name, channel in CHANNELS.items() if channel.filters]
SHARED: Final[dict[str, Schema]] = {
    "MessageId": {
        "type": ["integer", "string"],
        "maxLength": MAX_ID_LENGTH,
        "description": "The client's own; the answer to a request has the request's.",
    },
    "ChannelName": {
        "type": "string", "enum": list(CHANNELS), "description": "A channel of the socket.",
    },
    "Cursors": _by_channel("A cursor for each channel.", _CURSOR),
    "Filters": {
        "type": "object",
        "description": "Filters for each channel; without any, everything passes.",
        "properties": {name: _ref(f"{name.capitalize()}Filters") for name in _FILTERED},
        "additionalProperties": False,
    },
    **{f"{name.capitalize()}Filters": _filters(name) for name in _FILTERED},
    "SubscribedChannels": _by_channel(
        "Where each channel begins.", _ref("SubscribedChannel")
    ),
    "ActiveSubscriptions": _by_channel(
        "What is subscribed to, by channel.", _ref("ActiveSubscription")
    ),
    "SubscribedChannel": {
        "type": "object",
        "description": "Where a channel begins.",
        "required": ["cursor"],
        "properties": {
            "cursor": _CURSOR,
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
        "description": "The filters of a channel that is subscribed to.",
        "required": ["filters"],
        "properties": {
            "filters": {
                "type": "object",
                "additionalProperties": {"type": "array", "items": _TEXT},
            }
        },
        "additionalProperties": True,
    },
}  # fmt: skip


REQUESTS: Final = (
    Message(
        "auth", "auth", "AuthRequest",
        "Authenticate, by a `token` or an `api_key`; at any time, to renew a token.",
        {
            **_ID,
            "token": {"type": "string", "description": "an access token of `POST /token`"},
            "api_key": _TEXT,
        },
        (), {"id": 1, "api_key": "apk_0b6a2f1e_9c3d4a5b8e7f6071"}, sent=True,
    ),
    Message(
        "subscribe", "subscribe", "SubscribeRequest",
        "Subscribe to all of these channels, or to none; replaces what a channel had.",
        {
            **_ID,
            "channels": _CHANNELS,
            "filters": _ref("Filters"),
            "since": _ref("Cursors"),
            "snapshot": {
                "type": "boolean",
                "description": "begin with the current state, where nothing is resumed",
            },
        },
        ("channels",),
        {
            "id": 2,
            "channels": ["metrics", "trades"],
            "filters": {"metrics": {"metric_types": ["risk"]}},
            "snapshot": True,
        },
        sent=True,
    ),
    Message(
        "unsubscribe", "unsubscribe", "UnsubscribeRequest", "Leave channels.",
        {**_ID, "channels": _CHANNELS}, ("channels",), {"id": 3, "channels": ["trades"]}, sent=True,
    ),
    Message(
        "list_subscriptions", "subscriptions", "SubscriptionsRequest",
        "Ask what is subscribed to.", _ID, (), {"id": 4}, sent=True,
    ),
    Message("ping", "ping", "PingRequest", "Ask for a pong.", _ID, (), {"id": 5}, sent=True),
)  # fmt: skip

_EVENT: Final = {
    "metrics": ("MetricEvent", "MetricPoint"),
    "alerts": ("AlertEvent", "Alert"),
    "trades": ("TradeEvent", "Trade"),
    "portfolio": ("PortfolioEvent", "Portfolio"),
}


def _event(channel: str) -> Message:
    payload, record = _EVENT[channel]
    return Message(
        CHANNELS[channel].type, CHANNELS[channel].type, payload,
        f"An event of {channel}, or a row of its snapshot.",
        {
            "channel": {"type": "string", "const": channel},
            "cursor": _CURSOR,
            "snapshot": {"type": "boolean", "description": "true: a row of the snapshot"},
            "skipped": {
                "type": "integer",
                "description": "older events of the same series or portfolio that a slow client "
                "was spared",
            },
            "data": _ref(record),
        },
        ("channel", "cursor", "data"),
        {"channel": channel, "cursor": "5f0c2a91-41", "data": ANSWERS[record]},
    )  # fmt: skip


_NOON: Final = "2026-01-31T12:00:00.000000Z"
ANSWERS_AND_EVENTS: Final = (
    Message(
        "welcome", "welcome", "Welcome", "The socket is open.",
        {
            "protocol": {"type": "integer"},
            "connection_id": _TEXT,
            "auth_timeout": _SECONDS,
            "ping_interval": _SECONDS,
        },
        ("protocol", "connection_id", "auth_timeout", "ping_interval"),
        {
            "protocol": 1, "connection_id": "01a21b92-585a-7504-8f9a-740bd43fa6b6",
            "auth_timeout": 10, "ping_interval": 30,
        },
    ),
    Message(
        "authenticated", "authenticated", "Authenticated", "The credentials are valid.",
        {
            **_ID, "username": _TEXT, "role": _TEXT,
            "expires_at": {
                "type": ["string", "null"],
                "format": "date-time",
                "description": "null: of a key without an end",
            },
        },
        ("username", "role", "expires_at"),
        {"id": 1, "username": "ann", "role": "viewer", "expires_at": "2026-01-31T13:00:00.000000Z"},
    ),
    Message(
        "subscribed", "subscribed", "Subscribed",
        "The channels are subscribed to; their replay or snapshot follows, then live events.",
        {**_ID, "channels": _ref("SubscribedChannels")},
        ("channels",),
        {"id": 2, "channels": {
            "metrics": {"cursor": "5f0c2a91-40"},
            "trades": {"cursor": "8d11e07b-7", "resumed": True, "replayed": 12},
        }},
    ),
    Message(
        "unsubscribed", "unsubscribed", "Unsubscribed",
        "The channels are left. Without an id: the new caller may not read them.",
        {**_ID, "channels": _CHANNELS}, ("channels",), {"id": 3, "channels": ["trades"]},
    ),
    Message(
        "subscriptions", "subscriptions", "Subscriptions", "What is subscribed to.",
        {**_ID, "channels": _ref("ActiveSubscriptions")},
        ("channels",),
        {"id": 4, "channels": {"metrics": {"filters": {"metric_types": ["risk"]}}}},
    ),
    Message(
        "pong", "pong", "Pong", "The answer to a ping.",
        {**_ID, "timestamp": _TIME}, ("timestamp",), {"id": 5, "timestamp": _NOON},
    ),
    Message(
        "error", "error", "ErrorMessage",
        "A request was refused, and had no effect.",
        {
            **_ID,
            "code": {
                "type": "string",
                "description": "one of these, or a later one. "
                + "; ".join(f"`{error.code}`: {error.meaning}" for error in SOCKET_ERRORS),
            },
            "message": {"type": "string", "description": "for people"},
            "channel": {"type": "string", "description": "which channel it is about"},
        },
        ("code", "message"),
        {
            "id": 2, "code": "forbidden", "message": "You may not read alerts.",
            "channel": "alerts",
        },
    ),
    *(_event(channel) for channel in CHANNELS),
    Message(
        "snapshot_end", "snapshot_end", "SnapshotEnd",
        "The snapshot of a channel is complete; its live events follow.",
        {
            "channel": _ref("ChannelName"),
            "count": {"type": "integer", "description": "rows that it had"},
        },
        ("channel", "count"), {"channel": "metrics", "count": 12},
    ),
    Message(
        "heartbeat", "heartbeat", "Heartbeat",
        "The server lives. The cursors are positions to resume from.",
        {"timestamp": _TIME, "cursors": _ref("Cursors")}, ("timestamp", "cursors"),
        {"timestamp": _NOON, "cursors": {"metrics": "5f0c2a91-41"}},
    ),
    Message(
        "resync", "resync", "Resync",
        "Events before this may be missing: read the REST API again. From the cursor on none is.",
        {"channel": _ref("ChannelName"), "cursor": _CURSOR}, ("channel", "cursor"),
        {"channel": "trades", "cursor": "5d0a77c1-31"},
    ),
    Message(
        "token_expiring", "token_expiring", "TokenExpiring", "Send a new `auth` soon.",
        {"expires_in": {"type": "integer", "description": "seconds"}}, ("expires_in",),
        {"expires_in": 60},
    ),
)  # fmt: skip
EVENTS: Final = tuple(channel.type for channel in CHANNELS.values())
