"""The AsyncAPI 3.0 document, generated from the messages, the schemas and the error tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from alphapulse_api.domain.errors import CLOSES
from alphapulse_api.http.spec.info import info, words
from alphapulse_api.http.spec.message_parts import SHARED, Message
from alphapulse_api.http.spec.messages import ANSWERS_AND_EVENTS, EVENT_RECORDS, EVENTS, REQUESTS
from alphapulse_api.http.spec.schemas import make_spec, reference
from alphapulse_api.schemas.commands import Command
from alphapulse_api.schemas.portfolio import PortfolioChanges

VERSION: Final = "3.0.0"
MESSAGES: Final = (*REQUESTS, *ANSWERS_AND_EVENTS)
PATH: Final = "/ws"
TAGS: Final = [{"name": "session", "description": "Who the socket belongs to, and how long."},
               {"name": "data", "description": "Subscriptions, and what they bring."}]  # fmt: skip

# The handshake may carry credentials; a browser sends them in a message.
_SECURITY: Final = {
    "api_key": {
        "type": "httpApiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "A key of `api-key create`, at the handshake.",
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token of `POST /token`, at the handshake.",
    },
    "message": {
        "type": "userPassword",
        "description": "Neither of them: the first message is `auth`, with a token or a key.",
    },
}
_HEADERS: Final = {
    "type": "object",
    "properties": {
        "X-API-Key": {"type": "string", "description": "a key; then no `auth` is needed"},
        "Authorization": {"type": "string", "description": "`Bearer` and an access token"},
        "Origin": {"type": "string", "description": "of a browser's page; checked"},
    },
}
# The answer to each request, other than an error.
_REPLIES: Final = {
    "auth": ("authenticate", "authenticated"),
    "subscribe": ("subscribe", "subscribed"),
    "unsubscribe": ("unsubscribe", "unsubscribed"),
    "list_subscriptions": ("listSubscriptions", "subscriptions"),
    "ping": ("ping", "pong"),
    "serve": ("serveAgents", "served"),
    "take": ("takeCommand", "command"),
    "command_update": ("updateCommand", "command_updated"),
}
# The messages that the server sends without a request.
_SENT: Final = (
    ("welcome", "Begin the conversation", ("welcome", "authenticated")),
    ("wake", "Say that there is a command to take", ("command_ready",)),
    ("publish", "Send snapshots and events", (*EVENTS, "snapshot_end", "resync")),
    (
        "maintain",
        "Keep the client informed of its session",
        ("heartbeat", "token_expiring", "unsubscribed", "error"),
    ),
)


def asyncapi_document(server: str) -> dict[str, Any]:
    """The document.

    Args:
        server: the URL of the server, whose scheme is http or https.
    """
    closes = "".join(f"| {close.code} | `{close.reason}` |\n" for close in CLOSES)
    ends = f"## The end\n\n| close code | reason |\n|---|---|\n{closes}"
    texts = words("socket"), ends, words("values"), words("compatibility")
    url = urlsplit(server)
    return {
        "asyncapi": VERSION,
        "info": {
            **info(*texts),
            "tags": TAGS,
        },
        "defaultContentType": "application/json",
        "servers": {
            "this": {
                "host": url.netloc,
                "protocol": "wss" if url.scheme == "https" else "ws",
                "pathname": url.path or "/",
                "description": "The server that this document comes from.",
                "security": [
                    {"$ref": f"#/components/securitySchemes/{name}"} for name in _SECURITY
                ],
            }
        },
        "channels": {
            "socket": {
                "address": PATH,
                "title": "The socket",
                "description": "The one endpoint, on which every message travels.",
                "servers": [{"$ref": "#/servers/this"}],
                "messages": {
                    message.key: {"$ref": f"#/components/messages/{message.key}"}
                    for message in MESSAGES
                },
                "bindings": {
                    "ws": {"method": "GET", "headers": _HEADERS, "bindingVersion": "0.1.0"}
                },
            }
        },
        "operations": {
            **{_REPLIES[message.key][0]: _request(message) for message in REQUESTS},
            **{
                name: {
                    "action": "send",
                    "channel": {"$ref": "#/channels/socket"},
                    "summary": summary,
                    "description": f"{summary}: `{'`, `'.join(keys)}`.",
                    "messages": _messages(keys),
                }
                for name, summary, keys in _SENT
            },
        },
        "components": {
            "messages": {message.key: _message(message) for message in MESSAGES},
            "schemas": _schemas(),
            "securitySchemes": _SECURITY,
        },
    }


def _messages(keys: Sequence[str]) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/socket/messages/{key}"} for key in keys]


def _request(message: Message) -> dict[str, Any]:
    return {
        "action": "receive",
        "channel": {"$ref": "#/channels/socket"},
        "summary": message.summary.partition(",")[0].rstrip("."),
        "description": message.summary,
        "messages": _messages((message.key,)),
        "reply": {
            "channel": {"$ref": "#/channels/socket"},
            "messages": _messages((_REPLIES[message.key][1], "error")),
        },
    }


def _message(message: Message) -> dict[str, Any]:
    return {
        "name": message.key,
        "title": message.payload,
        "summary": message.summary,
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{message.payload}"},
        "examples": [
            {"name": message.key, "payload": {"type": message.kind, **message.example}},
        ],
    }


@cache
def _schemas() -> dict[str, Any]:
    spec, converter = make_spec("3.1.0", info())
    for _, record in EVENT_RECORDS.values():
        reference(converter, record)
    reference(converter, PortfolioChanges)
    reference(converter, Command)
    records: dict[str, Any] = spec.to_dict()["components"]["schemas"]
    payloads = {message.payload: message.schema for message in MESSAGES}
    return dict(sorted({**records, **SHARED, **payloads}.items()))
