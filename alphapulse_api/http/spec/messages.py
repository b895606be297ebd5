"""The messages of the socket: their payloads as schemas with names, and an example of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alphapulse_api.domain.channels import LOGGED, Channel
from alphapulse_api.domain.errors import SOCKET_ERRORS
from alphapulse_api.http.spec.command_messages import COMMAND_ANSWERS, COMMAND_REQUESTS
from alphapulse_api.http.spec.examples import answer_example
from alphapulse_api.http.spec.message_parts import (
    CHANNEL_NAMES,
    CURSOR,
    ID,
    SECONDS,
    TEXT,
    TIME,
    Message,
    Schema,
    ref,
)
from alphapulse_api.schemas.alerts import Alert
from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.decisions import Decision
from alphapulse_api.schemas.metrics import MetricPoint
from alphapulse_api.schemas.portfolio import Portfolio
from alphapulse_api.schemas.signals import Signal
from alphapulse_api.schemas.trades import Trade
from alphapulse_api.sockets.change import TYPE as CHANGES

REQUESTS: Final = (
    Message(
        "auth", "auth", "AuthRequest",
        "Authenticate, by a `token` or an `api_key`; at any time, to renew a token.",
        {
            **ID,
            "token": {"type": "string", "description": "an access token of `POST /token`"},
            "api_key": TEXT,
        },
        (), {"id": 1, "api_key": "apk_0b6a2f1e_9c3d4a5b8e7f6071"}, sent=True,
    ),
    Message(
        "subscribe", "subscribe", "SubscribeRequest",
        "Subscribe to all of these channels, or to none; replaces what a channel had.",
        {
            **ID,
            "channels": CHANNEL_NAMES,
            "filters": ref("Filters"),
            "options": ref("Options"),
            "since": ref("Cursors"),
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
        {**ID, "channels": CHANNEL_NAMES}, ("channels",), {"id": 3, "channels": ["trades"]},
        sent=True,
    ),
    Message(
        "list_subscriptions", "subscriptions", "SubscriptionsRequest",
        "Ask what is subscribed to.", ID, (), {"id": 4}, sent=True,
    ),
    Message("ping", "ping", "PingRequest", "Ask for a pong.", ID, (), {"id": 5}, sent=True),
    *COMMAND_REQUESTS,
)  # fmt: skip

# By channel, the name of the event's schema, and the record that it carries.
EVENT_RECORDS: Final[Mapping[str, tuple[str, type[Answer]]]] = {
    "metrics": ("MetricEvent", MetricPoint),
    "alerts": ("AlertEvent", Alert),
    "trades": ("TradeEvent", Trade),
    "portfolio": ("PortfolioEvent", Portfolio),
    "signals": ("SignalEvent", Signal),
    "decisions": ("DecisionEvent", Decision),
}


def _members(channel: str) -> dict[str, Schema]:
    return {
        "channel": {"type": "string", "const": channel},
        "cursor": CURSOR,
        "skipped": {
            "type": "integer",
            "description": "older events of the same series or portfolio that a slow client "
            "was spared",
        },
    }


def _event(channel: Channel) -> Message:
    payload, record = EVENT_RECORDS[channel.name]
    text = f"An event of {channel.name}, or a row of its snapshot."
    if channel.part_of:
        text = f"A {channel.type}, for who includes this type in {channel.part_of}."
    return Message(
        channel.type, channel.type, payload,
        text,
        {
            **_members(channel.public),
            "snapshot": {"type": "boolean", "description": "true: a row of the snapshot"},
            "data": ref(record.__name__),
        },
        ("channel", "cursor", "data"),
        {"channel": channel.public, "cursor": "5f0c2a91-41", "data": answer_example(record)},
    )  # fmt: skip


_NOON: Final = "2026-01-31T12:00:00.000000Z"
ANSWERS_AND_EVENTS: Final = (
    Message(
        "welcome", "welcome", "Welcome", "The socket is open.",
        {
            "protocol": {"type": "integer"},
            "connection_id": TEXT,
            "auth_timeout": SECONDS,
            "ping_interval": SECONDS,
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
            **ID, "username": TEXT, "role": TEXT,
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
        {**ID, "channels": ref("SubscribedChannels")},
        ("channels",),
        {"id": 2, "channels": {
            "metrics": {"cursor": "5f0c2a91-40"},
            "trades": {"cursor": "8d11e07b-7", "resumed": True, "replayed": 12},
        }},
    ),
    Message(
        "unsubscribed", "unsubscribed", "Unsubscribed",
        "The channels are left. Without an id: the new caller may not read them.",
        {**ID, "channels": CHANNEL_NAMES}, ("channels",), {"id": 3, "channels": ["trades"]},
    ),
    Message(
        "subscriptions", "subscriptions", "Subscriptions", "What is subscribed to.",
        {**ID, "channels": ref("ActiveSubscriptions")},
        ("channels",),
        {"id": 4, "channels": {"metrics": {"filters": {"metric_types": ["risk"]}}}},
    ),
    Message(
        "pong", "pong", "Pong", "The answer to a ping.",
        {**ID, "timestamp": TIME}, ("timestamp",), {"id": 5, "timestamp": _NOON},
    ),
    Message(
        "error", "error", "ErrorMessage",
        "A request was refused, and had no effect.",
        {
            **ID,
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
    *COMMAND_ANSWERS,
    *(_event(LOGGED[name]) for name in EVENT_RECORDS),
    Message(
        CHANGES, CHANGES, "PortfolioChangesEvent",
        "An event of portfolio as changes, for a subscription with that option.",
        {**_members("portfolio"), "data": ref("PortfolioChanges")},
        ("channel", "cursor", "data"),
        {
            "channel": "portfolio", "cursor": "c2d4e6f8-6", "data": {
                **answer_example(Portfolio), "positions": [], "runs": [[0, 1]],
            },
        },
    ),
    Message(
        "snapshot_end", "snapshot_end", "SnapshotEnd",
        "The snapshot of a channel is complete; its live events follow.",
        {
            "channel": ref("ChannelName"),
            "count": {"type": "integer", "description": "rows that it had"},
        },
        ("channel", "count"), {"channel": "metrics", "count": 12},
    ),
    Message(
        "heartbeat", "heartbeat", "Heartbeat",
        "The server lives. The cursors are positions to resume from.",
        {"timestamp": TIME, "cursors": ref("Cursors")}, ("timestamp", "cursors"),
        {"timestamp": _NOON, "cursors": {"metrics": "5f0c2a91-41"}},
    ),
    Message(
        "resync", "resync", "Resync",
        "Events before this may be missing: read the REST API again. From the cursor on none is.",
        {"channel": ref("ChannelName"), "cursor": CURSOR}, ("channel", "cursor"),
        {"channel": "trades", "cursor": "5d0a77c1-31"},
    ),
    Message(
        "token_expiring", "token_expiring", "TokenExpiring", "Send a new `auth` soon.",
        {"expires_in": {"type": "integer", "description": "seconds"}}, ("expires_in",),
        {"expires_in": 60},
    ),
)  # fmt: skip
EVENTS: Final = (*(LOGGED[name].type for name in EVENT_RECORDS), CHANGES)
