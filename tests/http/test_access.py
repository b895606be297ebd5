"""Who may call what: the whole route table against every kind of caller, good and bad."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from alphapulse_api import Config, create_app
from alphapulse_api.auth.permissions import VIEWS
from alphapulse_api.config import AuthConfig, CorsConfig
from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.deeds import HOST
from alphapulse_api.http.route_table import ROWS
from alphapulse_api.schemas.loading import load
from alphapulse_api.schemas.rules import RuleRequest
from tests.asking import (
    ALERT,
    DECISION,
    OBEDIENT,
    POINT,
    PORTFOLIO,
    RULE,
    RULE_TEST,
    SAMPLE,
    SIGNAL,
    SILENCE,
    TRADE,
    USAGE,
    Answer,
    ask,
    problem,
)
from tests.conftest import Serve, Server
from tests.forging import SECRET
from tests.notifications import add_silence
from tests.socket_client import connect
from tests.webhooks import alertmanager, grafana

# The contract's table, said again: who is let in, and what they get. `narrow` is an API key with
# nothing but view_trades, `blind` one with nothing but publish.
EVERYONE = {"admin", "operator", "viewer", "reader", "publisher", "narrow", "blind"}
READERS = EVERYONE - {"blind"}
VIEWERS = READERS - {"narrow"}
PUBLISHERS = {"admin", "publisher", "blind"}
ADMINS = {"admin"}
PEOPLE_ON_DUTY = {"admin", "operator"}
PUBLIC: dict[tuple[str, str], int] = {
    ("GET", "/healthz"): 200,
    ("GET", "/readyz"): 200,
    ("POST", "/token"): 415,  # without a form
    ("POST", "/token/revoke"): 415,
    ("POST", "/token/session"): 403,  # not from a page
    ("DELETE", "/token/session"): 403,
    ("GET", "/openapi.json"): 200,
    ("GET", "/asyncapi.json"): 200,
    ("GET", "/docs"): 200,
    ("GET", "/docs/{file}"): 200,
    ("GET", "/"): 200,  # where it leads
    ("GET", "/console"): 200,
    ("GET", "/console/"): 200,
    ("GET", "/console/{file}"): 200,
    ("GET", "/console/{version}/{file}"): 404,  # of another version
}
CLOSED: dict[tuple[str, str], tuple[set[str], int, Any]] = {
    ("GET", "/api/me"): (EVERYONE, 200, None),
    ("GET", "/api/metrics"): (VIEWERS, 200, None),
    ("GET", "/api/metrics/{metric_type}"): (VIEWERS, 200, None),
    ("GET", "/api/metrics/{metric_type}/latest"): (VIEWERS, 200, None),
    ("GET", "/api/metrics/{metric_type}/export"): (VIEWERS, 200, None),
    ("POST", "/api/metrics"): (PUBLISHERS, 201, POINT),
    ("POST", "/api/metrics/batch"): (PUBLISHERS, 200, [POINT]),
    ("POST", "/api/metrics/import"): (PUBLISHERS, 415, {}),
    ("POST", "/api/v1/write"): (PUBLISHERS, 415, {}),  # JSON is not what it takes
    ("POST", "/v1/metrics"): (PUBLISHERS, 200, {}),
    ("POST", "/api/v2/write"): (PUBLISHERS, 400, {}),
    ("POST", "/write"): (PUBLISHERS, 400, {}),
    ("GET", "/api/portfolio"): (VIEWERS, 200, None),
    ("GET", "/api/portfolio/history/export"): (VIEWERS, 200, None),
    ("POST", "/api/portfolio/history/import"): (PUBLISHERS, 415, {}),
    ("PUT", "/api/portfolio"): (PUBLISHERS, 200, PORTFOLIO),
    ("GET", "/api/portfolios"): (VIEWERS, 200, None),
    ("GET", "/api/books"): (VIEWERS, 200, None),
    ("GET", "/api/books/{id}"): (VIEWERS, 200, None),
    ("PUT", "/api/books/{id}"): (PUBLISHERS, 200, {"mode": "paper"}),
    ("GET", "/api/alerts"): (VIEWERS, 200, None),
    ("GET", "/api/alerts/export"): (VIEWERS, 200, None),
    ("GET", "/api/alerts/{id}"): (VIEWERS, 200, None),
    ("POST", "/api/alerts"): (PUBLISHERS, 201, ALERT),
    ("POST", "/api/alerts/batch"): (PUBLISHERS, 200, [ALERT]),
    ("POST", "/api/alerts/import"): (PUBLISHERS, 415, {}),
    ("POST", "/api/alerts/{id}/acknowledge"): (PEOPLE_ON_DUTY, 200, {}),
    ("POST", "/api/alerts/{id}/resolve"): (PEOPLE_ON_DUTY, 200, {}),
    ("GET", "/api/trades"): (READERS, 200, None),
    ("GET", "/api/trades/export"): (READERS, 200, None),
    ("GET", "/api/trades/{id}"): (READERS, 200, None),
    ("POST", "/api/trades"): (PUBLISHERS, 201, TRADE),
    ("PUT", "/api/trades/{id}"): (PUBLISHERS, 200, TRADE),
    ("POST", "/api/trades/batch"): (PUBLISHERS, 200, [TRADE]),
    ("POST", "/api/trades/import"): (PUBLISHERS, 415, {}),  # JSON is not what it takes
    ("GET", "/api/trades/{id}/why"): (VIEWERS, 200, None),
    ("GET", "/api/pnl"): (READERS, 200, None),
    ("GET", "/api/decisions"): (READERS, 200, None),
    ("GET", "/api/decisions/export"): (READERS, 200, None),
    ("GET", "/api/decisions/{id}"): (VIEWERS, 200, None),
    ("POST", "/api/decisions"): (PUBLISHERS, 201, DECISION),
    ("POST", "/api/decisions/batch"): (PUBLISHERS, 200, [DECISION]),
    ("POST", "/api/decisions/import"): (PUBLISHERS, 415, {}),
    ("GET", "/api/usage"): (VIEWERS, 200, None),
    ("POST", "/api/usage"): (PUBLISHERS, 201, USAGE),
    ("POST", "/api/usage/batch"): (PUBLISHERS, 200, [USAGE]),
    ("POST", "/v1/traces"): (PUBLISHERS, 200, {}),
    ("GET", "/api/agents"): (VIEWERS, 200, None),
    ("GET", "/api/agents/{id}"): (VIEWERS, 200, None),
    ("GET", "/api/agents/{id}/record"): (VIEWERS, 200, None),
    ("GET", "/api/agents/{id}/signals"): (VIEWERS, 200, None),
    ("GET", "/api/agents/{id}/signals/export"): (VIEWERS, 200, None),
    ("GET", "/api/agents/{id}/signals/{signal_id}"): (VIEWERS, 200, None),
    ("PUT", "/api/agents/{id}"): (PUBLISHERS, 200, {"state": "active"}),
    ("POST", "/api/agents/{id}/signals"): (PUBLISHERS, 201, SIGNAL),
    ("POST", "/api/agents/{id}/signals/batch"): (PUBLISHERS, 200, [SIGNAL]),
    ("POST", "/api/agents/{id}/signals/import"): (PUBLISHERS, 415, {}),
    ("GET", "/api/commands"): (VIEWERS, 200, None),
    ("GET", "/api/commands/export"): (VIEWERS, 200, None),
    ("GET", "/api/commands/{id}"): (VIEWERS, 200, None),
    ("POST", "/api/commands/halt"): (PEOPLE_ON_DUTY, 202, {}),
    ("POST", "/api/agents/{id}/commands"): (PEOPLE_ON_DUTY, 202, {"name": "pause"}),
    ("GET", "/api/notifications"): (VIEWERS, 200, None),
    ("GET", "/api/notifications/export"): (VIEWERS, 200, None),
    ("GET", "/api/silences"): (VIEWERS, 200, None),
    ("GET", "/api/silences/{id}"): (VIEWERS, 200, None),
    ("POST", "/api/silences"): (PEOPLE_ON_DUTY, 201, SILENCE),
    ("DELETE", "/api/silences/{id}"): (PEOPLE_ON_DUTY, 200, None),
    ("GET", "/api/rules"): (VIEWERS, 200, None),
    ("POST", "/api/rules"): (PEOPLE_ON_DUTY, 201, RULE),
    ("POST", "/api/rules/test"): (PEOPLE_ON_DUTY, 200, RULE_TEST),
    ("GET", "/api/rules/{id}"): (VIEWERS, 200, None),
    ("PUT", "/api/rules/{id}"): (PEOPLE_ON_DUTY, 200, {**RULE, "severity": "error"}),
    ("DELETE", "/api/rules/{id}"): (PEOPLE_ON_DUTY, 200, None),
    ("GET", "/api/audit"): (ADMINS, 200, None),
    ("GET", "/api/audit/export"): (ADMINS, 200, None),
    ("GET", "/api/system"): (VIEWERS, 200, None),
    ("GET", "/api/system/export"): (VIEWERS, 200, None),
    ("POST", "/api/system"): (PUBLISHERS, 201, SAMPLE),
    ("POST", "/api/system/batch"): (PUBLISHERS, 200, [SAMPLE]),
    ("POST", "/api/system/import"): (PUBLISHERS, 415, {}),
    ("GET", "/metrics"): (VIEWERS, 200, None),
    ("POST", "/webhooks/alertmanager"): (PUBLISHERS, 200, alertmanager({})),
    ("POST", "/webhooks/grafana"): (PUBLISHERS, 200, grafana()),
    ("POST", "/webhooks/freqtrade"): (PUBLISHERS, 200, {"event": "status"}),
    ("POST", "/webhooks/tradingview"): (PUBLISHERS, 200, {"message": "hello"}),
}
WITH_TOKEN = {(row.method, row.path) for row in ROWS if row.path.endswith("/{token}")}
SOCKET = ("GET", "/ws")
OWN_REFUSALS = {row.path for row in ROWS if row.refusal is not None}
PATHS = {
    "/api/metrics/{metric_type}": "/api/metrics/risk",
    "/api/metrics/{metric_type}/export": "/api/metrics/risk/export",
    "/api/metrics/{metric_type}/latest": "/api/metrics/risk/latest",
    "/docs/{file}": "/docs/start.js",
    "/console/{file}": "/console/plotly.min.js",
    "/console/{version}/{file}": "/console/0/plotly.min.js",
}


def concrete(path: str) -> str:
    return PATHS.get(path, path.replace("{id}", "x1").replace("{signal_id}", "x1"))


def refused(answer: Answer, path: str, status: int) -> None:
    """A problem, or what the protocol of the path has in its place."""
    if path in OWN_REFUSALS:
        assert (answer.status, set(answer.json)) == (status, {"code", "message"}), path
    else:
        problem(answer, status)


def test_the_expectations_cover_the_whole_table() -> None:
    assert {(row.method, row.path) for row in ROWS} == {*PUBLIC, *CLOSED, *WITH_TOKEN, SOCKET}
    assert len(ROWS) == len(PUBLIC) + len(CLOSED) + len(WITH_TOKEN) + 1


@asynccontextmanager
async def _everyone(server: Server) -> AsyncIterator[dict[str, dict[str, str]]]:
    narrow = await server.dashboard.accounts.create_api_key("narrow", {"view_trades"})
    blind = await server.dashboard.accounts.create_api_key("blind", {"publish"})
    yield {
        "admin": await server.login("admin"),
        "operator": await server.login("operator"),
        "viewer": await server.login("viewer"),
        "reader": await server.key(name="reader"),
        "publisher": await server.key("publish", name="publisher"),
        "narrow": {"X-API-Key": narrow[1]},
        "blind": {"X-API-Key": blind[1]},
    }


async def populate(server: Server) -> None:
    await server.feed.record_trade({**TRADE, "id": "x1"})
    await server.feed.raise_alert({**ALERT, "id": "x1"})
    await server.feed.record_metrics(POINT)
    await server.feed.update_portfolio(PORTFOLIO)
    await server.feed.open_book("x1", mode="paper")
    await server.feed.update_agent("x1", {"state": "active", **OBEDIENT})
    await server.feed.send_command("x1", {"id": "x1", "name": "pause"})
    await server.feed.record_signal("x1", {**SIGNAL, "id": "x1"})
    await server.feed.record_decision({**DECISION, "id": "x1"})
    await add_silence(server.backend.accessors, "x1")
    await make_rule(server)


async def make_rule(server: Server, rule_id: str = "x1") -> None:
    rule = load(RuleRequest(), {**RULE, "id": rule_id})
    await server.backend.accessors.rules.set_rule(rule, actor=HOST)


async def test_every_route_lets_in_exactly_whom_the_contract_names(serve: Serve) -> None:
    server = await serve(auth=AuthConfig(jwt_secret=SECRET))
    await populate(server)
    async with _everyone(server) as callers:
        for (method, path), (allowed, status, body) in CLOSED.items():
            for name, caller in callers.items():
                if method == "DELETE":
                    await make_rule(server)  # the caller before may have deleted it
                answer = await ask(server, method, concrete(path), caller, json=body)
                expected = status if name in allowed else 403
                assert answer.status == expected, (method, path, name, answer.body)
                if expected == 403:
                    refused(answer, path, 403)
                if method == "GET":
                    head = await ask(server, "HEAD", concrete(path), caller)
                    assert (head.status, head.body) == (expected, b""), (path, name)
        for (method, path), status in PUBLIC.items():
            for caller in (None, callers["narrow"], {"Authorization": "Bearer nonsense"}):
                answer = await ask(server, method, concrete(path), caller)
                assert answer.status == status, (method, path)
        # The socket's own handshake is a client's; here only who gets as far as its refusal.
        for caller in (None, *callers.values()):
            problem(await ask(server, *SOCKET, caller), 400)


async def test_me_says_who_calls(server: Server) -> None:
    me = (await ask(server, "GET", "/api/me", await server.login("operator", "ann"))).json
    assert (me["username"], me["role"], me["auth"]) == ("ann", "operator", "jwt")
    assert me["permissions"] == sorted({*VIEWS, "acknowledge_alerts", "control", "manage_rules"})
    assert me["expires_at"].endswith("Z")
    me = (await ask(server, "GET", "/api/me", await server.key("publish"))).json
    assert me == {
        "username": "bot",
        "role": "api",
        "permissions": sorted({*VIEWS, "publish"}),
        "auth": "api_key",
        "books": None,
        "home": "main",
        "expires_at": None,
    }


async def test_a_key_that_may_only_publish_receives_nothing(server: Server) -> None:
    _, key = await server.dashboard.accounts.create_api_key("bot", ["publish"])
    async with connect(server, {"X-API-Key": key}) as client:
        for channel in CHANNELS:
            refusal = await client.ask(type="subscribe", channels=[channel])
            assert refusal["code"] == "forbidden"
    _, key = await server.dashboard.accounts.create_api_key("bot", ["publish", "view"])
    async with connect(server, {"X-API-Key": key}) as client:
        answer = await client.ask(type="subscribe", channels=list(CHANNELS))
        assert answer["type"] == "subscribed"


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_a_route_without_a_row_is_refused(
    config: Config, aiohttp_client: Any, method: str
) -> None:
    async def secret(request: web.Request) -> web.Response:
        return web.Response(text="secret")

    app = create_app(replace(config, cors=CorsConfig(("https://page.example",))))
    app.router.add_route(method, "/secret", secret)
    client = await aiohttp_client(app)
    for path in ("/secret", "/nowhere"):
        for headers in ({}, {"Origin": "https://page.example"}):
            async with client.request(method, path, headers=headers) as response:
                answer = Answer(response.status, response.headers, await response.read())
            problem(answer, 403 if path == "/secret" else 404)
            assert b"secret" not in answer.body
