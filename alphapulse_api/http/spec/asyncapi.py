"""AsyncAPI 3.0 of the socket, from the channels, the schemas and the error tables."""

from __future__ import annotations

from typing import Any, Final

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.errors import CLOSES, SOCKET_ERRORS
from alphapulse_api.http.spec.schemas import make_spec, reference
from alphapulse_api.schemas.alerts import Alert
from alphapulse_api.schemas.metrics import MetricPoint
from alphapulse_api.schemas.portfolio import Portfolio
from alphapulse_api.schemas.trades import Trade
from alphapulse_api.sockets.filters import MAX_FILTER_VALUES
from alphapulse_api.sockets.requests import MAX_ID_LENGTH

VERSION: Final = "3.0.0"
DATA: Final = {"metrics": MetricPoint, "alerts": Alert, "trades": Trade, "portfolio": Portfolio}

_ID: Final = {"oneOf": [{"type": "integer"}, {"type": "string", "maxLength": MAX_ID_LENGTH}]}
_TEXT: Final = {"type": "string"}
_TIME: Final = {"type": "string", "format": "date-time"}
_CHANNEL: Final = {"type": "string", "enum": list(CHANNELS)}
_CHANNELS: Final = {"type": "array", "items": _CHANNEL, "minItems": 1, "uniqueItems": True}
_CURSORS: Final = {"type": "object", "additionalProperties": _TEXT}
_FILTERS: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        channel.name: {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                name: {
                    "type": "array",
                    "items": _TEXT,
                    "minItems": 1,
                    "maxItems": MAX_FILTER_VALUES,
                }
                for name in channel.filters
            },
        }
        for channel in CHANNELS.values()
    },
}


def _message(kind: str, summary: str, required: tuple[str, ...] = (), **members: Any) -> Any:
    return {
        "name": kind,
        "title": kind,
        "summary": summary,
        "contentType": "application/json",
        "payload": {
            "type": "object",
            "required": ["type", *required],
            "properties": {"type": {"const": kind}, **members},
        },
    }


FROM_CLIENT: Final = {
    "auth": _message("auth", "Say who you are.", id=_ID, token=_TEXT, api_key=_TEXT),
    "subscribe": _message(
        "subscribe",
        "Ask for channels: all of them or none.",
        ("channels",),
        id=_ID,
        channels=_CHANNELS,
        filters=_FILTERS,
        since=_CURSORS,
        snapshot={"type": "boolean"},
    ),
    "unsubscribe": _message(
        "unsubscribe", "Leave channels.", ("channels",), id=_ID, channels=_CHANNELS
    ),
    "subscriptions": _message("subscriptions", "Ask what you are subscribed to.", id=_ID),
    "ping": _message("ping", "Ask for a pong.", id=_ID),
}
FROM_SERVER: Final = {
    "welcome": _message(
        "welcome",
        "The socket is open.",
        ("protocol", "connection_id", "auth_timeout", "ping_interval"),
        protocol={"type": "integer"},
        connection_id=_TEXT,
        auth_timeout={"type": "number", "description": "seconds"},
        ping_interval={"type": "number", "description": "seconds"},
    ),
    "authenticated": _message(
        "authenticated",
        "The credentials are good.",
        ("username", "role", "expires_at"),
        id=_ID,
        username=_TEXT,
        role=_TEXT,
        expires_at={**_TIME, "type": ["string", "null"]},
    ),
    "subscribed": _message(
        "subscribed",
        "The channels are yours from here on.",
        ("channels",),
        id=_ID,
        channels={
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["cursor"],
                "properties": {
                    "cursor": _TEXT,
                    "resumed": {"type": "boolean"},
                    "replayed": {"type": "integer"},
                },
            },
        },
    ),
    "unsubscribed": _message(
        "unsubscribed", "The channels are left.", ("channels",), id=_ID, channels=_CHANNELS
    ),
    "subscription_list": _message(
        "subscriptions",
        "What you are subscribed to.",
        ("channels",),
        id=_ID,
        channels={"type": "object"},
    ),
    "pong": _message("pong", "The answer to a ping.", ("timestamp",), id=_ID, timestamp=_TIME),
    "heartbeat": _message(
        "heartbeat",
        "The server lives, and this is how far each channel has come.",
        ("timestamp", "cursors"),
        timestamp=_TIME,
        cursors=_CURSORS,
    ),
    "snapshot_end": _message(
        "snapshot_end",
        "The channel's snapshot is complete: it had so many rows. Its events follow.",
        ("channel", "count"),
        channel=_CHANNEL,
        count={"type": "integer", "minimum": 0},
    ),
    "resync": _message(
        "resync",
        "Events before this may be missing: read REST again. From the cursor on nothing is.",
        ("channel", "cursor"),
        channel=_CHANNEL,
        cursor=_TEXT,
    ),
    "token_expiring": _message(
        "token_expiring",
        "Send a new auth soon.",
        ("expires_in",),
        expires_in={"type": "integer", "description": "seconds"},
    ),
    "error": _message(
        "error",
        "; ".join(f"{error.code}: {error.meaning}" for error in SOCKET_ERRORS),
        ("code", "message"),
        id=_ID,
        code={"type": "string", "enum": [error.code for error in SOCKET_ERRORS]},
        message=_TEXT,
        channel=_TEXT,
    ),
    **{
        channel.type: _message(
            channel.type,
            f"An event of {channel.name}.",
            ("channel", "cursor", "data"),
            channel={"const": channel.name},
            cursor=_TEXT,
            snapshot={"type": "boolean", "description": "part of a snapshot"},
            skipped={"type": "integer", "description": "older events of the same key left out"},
            data={"$ref": f"#/components/schemas/{DATA[channel.name].__name__}"},
        )
        for channel in CHANNELS.values()
    },
}


def asyncapi_document(host: str, prefix: str) -> dict[str, Any]:
    """The document.

    Args:
        host: host and port of the server.
        prefix: the path prefix it is served under.
    """
    closes = ", ".join(f"{close.code} {close.reason}" for close in CLOSES)
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "alphapulse_api",
            "version": "1",
            "description": f"One multiplexed socket. Close codes and reasons: {closes}.",
            "license": {"name": "MIT"},
        },
        "servers": {"this": {"host": host, "protocol": "ws", "pathname": prefix or "/"}},
        "channels": {
            "socket": {
                "address": "/ws",
                "messages": {
                    name: {"$ref": f"#/components/messages/{name}"}
                    for name in (*FROM_CLIENT, *FROM_SERVER)
                },
            }
        },
        "operations": {
            "fromClient": _operation("receive", tuple(FROM_CLIENT)),
            "fromServer": _operation("send", tuple(FROM_SERVER)),
        },
        "components": {"messages": {**FROM_CLIENT, **FROM_SERVER}, "schemas": _schemas()},
    }


def _operation(action: str, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/socket"},
        "messages": [{"$ref": f"#/channels/socket/messages/{name}"} for name in names],
    }


def _schemas() -> dict[str, Any]:
    spec, converter = make_spec("3.1.0", {"title": "", "version": ""})
    for schema in DATA.values():
        reference(converter, schema)
    schemas: dict[str, Any] = spec.to_dict()["components"]["schemas"]
    return schemas
