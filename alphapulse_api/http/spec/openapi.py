"""The OpenAPI 3.0.3 document, generated from the route table and the schemas."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from alphapulse_api.http.route import Row
from alphapulse_api.http.spec.headers import HEADERS
from alphapulse_api.http.spec.info import info, words
from alphapulse_api.http.spec.operations import SECURITY, operation
from alphapulse_api.http.spec.problems import RESPONSES, SCHEMAS
from alphapulse_api.http.spec.schemas import make_spec

CONTACT: Final = {"name": "whoever runs the server"}
VERSION: Final = "3.0.3"  # the newest version that most generators support fully
TAGS: Final = {
    "trades": "Orders: their executions, and how they came about.",
    "portfolio": "Positions, cash and their value, now and before.",
    "metrics": "Series of numbers: raw points, and figures in buckets of time.",
    "alerts": "What a person should know of, and who has seen to it.",
    "notifications": "What people are told of alerts, and silences.",
    "rules": "Conditions that raise and resolve alerts by themselves.",
    "usage": "What thinking cost: calls of models, their tokens and prices.",
    "decisions": "What was decided, from which signals, and what followed from it.",
    "agents": "Agents, and the signals that they give.",
    "books": "Accounts, strategies and runs with money of their own.",
    "system": "Components of the trading system, and this server.",
    "commands": "What people tell agents to do, and what became of it.",
    "audit": "Who did what, when and from where.",
    "auth": "Tokens, and who is calling.",
    "webhooks": "What other systems post when something happens there.",
    "service": "Whether this server works.",
}
# Pages and their files, the API documents themselves, and the socket, which AsyncAPI describes.
HIDDEN: Final = frozenset({"console", "documents", "socket"})


def is_described(row: Row) -> bool:
    """Whether the route is an operation of the document."""
    return not row.protocol and row.tag not in HIDDEN


def openapi_document(rows: Iterable[Row], server: str) -> dict[str, Any]:
    """The document.

    Args:
        rows: the routes served.
        server: the URL that their paths follow.
    """
    return at_server(openapi_template(rows), server)


def openapi_template(rows: Iterable[Row]) -> dict[str, Any]:
    """The document without the server's URL; `at_server` completes it."""
    texts = words("http"), words("values"), words("compatibility")
    spec, converter = make_spec(VERSION, {**info(*texts), "contact": CONTACT})
    for name, schema in SCHEMAS.items():
        spec.components.schema(name, schema)
    for name, header in HEADERS.items():
        spec.components.header(name, header)
    for name, response in RESPONSES.items():
        spec.components.response(name, response)
    paths: dict[str, dict[str, Any]] = {}
    for row in dict.fromkeys(rows):
        if is_described(row):
            paths.setdefault(row.path, {})[row.method.lower()] = operation(row, converter)
    for path, methods in paths.items():
        spec.path(path=path, operations=methods)
    document: dict[str, Any] = {
        **spec.to_dict(),
        "security": SECURITY,
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
    }
    schemas = document["components"]["schemas"]
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    return document


def at_server(template: dict[str, Any], server: str) -> dict[str, Any]:
    """The document of a server.

    Args:
        template: what `openapi_template` made.
        server: the server's URL.
    """
    server = server.rstrip("/")
    # In the order in which a client should choose.
    schemes = {
        "api_key": {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "A key of `api-key create`: for programs.",
        },
        "token": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "An access token of `POST /token`: for people.",
        },
        "password": {
            "type": "oauth2",
            "description": "The same token, fetched with a user name and a password.",
            "flows": {"password": {"tokenUrl": f"{server}/token", "scopes": {}}},
        },
    }
    components = {**template["components"], "securitySchemes": schemes}
    return {**template, "servers": [{"url": server}], "components": components}
