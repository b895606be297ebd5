"""Requests that fail in every way that the OpenAPI document describes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any, Final

from alphapulse_api.http.route import Row
from alphapulse_api.http.route_table import ROWS
from alphapulse_api.http.spec.examples import REQUESTS
from alphapulse_api.http.spec.openapi import is_described
from alphapulse_api.schemas.metrics import Accepted
from tests.books import limited_key
from tests.conftest import Server

LISTED = [row for row in ROWS if is_described(row)]
JSON: Final = "application/json"
LINES: Final = "application/x-ndjson"
CHANGED: Final = {
    "cycle_id": "c-9", "price": "1", "title": "another", "amount": "9", "stop_loss": "1",
    "currency": "CHF", "reason": "another", "comment": "another",
}  # fmt: skip
OF_AGENTS = ("agents", "usage", "commands")  # tags of what view_agents shows
TOKEN_ROW = next(row for row in LISTED if row.by_token)


async def callers_of(server: Server) -> dict[str, Any]:
    """Headers by what they may do, and a webhook token."""

    create = server.dashboard.accounts.create_api_key

    async def key(scope: str) -> str:
        return (await create(scope, {scope}))[1]

    return {
        "admin": await server.login(),
        "agents": {"X-API-Key": await key("view_agents")},
        "trades": {"X-API-Key": await key("view_trades")},
        "limited": await limited_key(server, "main"),
        "token": (await create("webhook", {"webhook"}, books=["main"]))[1],
    }


def path_of(row: Row, callers: dict[str, Any] | None = None) -> str:
    token = callers["token"] if callers is not None else ""
    variables = {"id": "x1", "signal_id": "x1", "metric_type": "risk", "token": token}
    return row.path.format_map(variables)


def provocations(row: Row, callers: dict[str, Any]) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Requests that fail in every way that the route has: path, caller, and the rest."""
    admin, trades, agents = callers["admin"], callers["trades"], callers["agents"]
    path, in_path = path_of(row, callers), row.by_token
    caller = None if in_path else admin
    body: dict[str, Any] = {}
    if row.described_body is not None:
        example = REQUESTS[row.described_body.__name__]
        if row.method == "PUT":
            example = {name: value for name, value in example.items() if name != "id"}
        body = {"json": [example] if row.body_is_array else example}
        if row.body_in_lines:
            body = lines_of(row)
    if row.export:
        yield f"{path}?format=json", admin, {}
    if row.counted:
        yield path.replace(callers["token"], "none"), None, body
        yield path, trades if in_path else {**admin, **trades}, body
        yield path, caller if in_path else trades if row.tag in OF_AGENTS else agents, body
    if row.export:
        yield path, admin, {"headers": {"Accept": "image/png"}}
    if row.conditional:
        yield path, admin, {"headers": {"Accept-Encoding": "identity;q=0"}}
        yield path, admin, {"headers": {"If-None-Match": "*"}}
        if row.pages:
            yield f"{path}?limit=1", admin, {"headers": {"If-None-Match": "*"}}
            yield f"{path}?cursor=foreign", admin, {}
    if row.versioned:
        yield path, caller, {**body, "headers": {"If-Match": '"other"'}}
    if row.form is not None:
        yield path, None, {"data": {"grant_type": "password", "username": "a", "password": "b"}}
        yield path, None, {"data": {"a": "b"}}
        yield path, None, {"data": {"token": "a" * 20_000}}
        yield path, None, {"json": {}}
        return
    yield f"{path}?nonsense=1", caller, body
    yield path.replace("x1", "main"), caller, body
    if "book" in row.query_schema.fields:
        yield f"{path}?book=nope", admin, body
        yield f"{path}?book=nope", callers["limited"], body
        yield path.replace("x1", "x2"), admin, body
    yield path.replace("x1", "none"), caller, body
    if row.method == "DELETE":
        yield path.replace("x1", "none"), caller, body  # the PUT before had made it
    if row.described_body is not None:
        yield path, caller, {**body, "headers": {"Content-Encoding": "none-such"}}
        if row.body_in_lines:
            for data, kind in ((b"{", LINES), (b"a", "a/b"), (b"a" * 2**19, LINES)):
                yield path, caller, {"data": data, "headers": {"Content-Type": kind}}
            yield path, caller, body
            yield path, callers["limited"], lines_of(row, book="nope")
            yield path, caller, lines_of(row, **{n: v for n, v in CHANGED.items() if n in example})
            return
        large = b"[%b1]" % (b"1," * 2**20) if row.body_is_array else b'{"a":"%b"}' % (b"a" * 2**19)
        for data, kind in ((b"{", JSON), (b"a", "a/b"), (large, JSON)):
            yield path, caller, {"data": io.BytesIO(data), "headers": {"Content-Type": kind}}
        foreign = {**example, "book": "nope"}
        yield (
            path,
            None if in_path else callers["limited"],
            {"json": [foreign] if row.body_is_array else foreign},
        )
        other = {**example, **{n: v for n, v in CHANGED.items() if n in example}}
        if row.answer is Accepted:  # of TradingView, a signal's price is part of its metadata
            other |= {"confidence": 0.1} if "ticker" in example else {}
        yield path, caller, body
        yield path, caller, {"json": [other] if row.body_is_array else other}


def lines_of(row: Row, **changes: str) -> dict[str, Any]:
    """A body of one line: the example of the route, with some changes."""
    assert row.described_body is not None
    line = json.dumps({**REQUESTS[row.described_body.__name__], **changes})
    return {"data": line, "headers": {"Content-Type": LINES}}
