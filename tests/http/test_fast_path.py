"""The short way of a GET that is asked again answers as the long way does, or not at all."""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from alphapulse_api import Config, create_app
from alphapulse_api.auth import authenticator
from alphapulse_api.config import CorsConfig, RateLimitConfig
from alphapulse_api.domain.times import now
from alphapulse_api.http.pipeline import fast_path
from tests import view
from tests.asking import Answer, ask, problem
from tests.conftest import Serve, Server
from tests.socket_client import point, trade

PER_REQUEST = {"X-Request-ID", "Date", "RateLimit"}


class Ways:
    """Sends requests, and shows which path an answer took."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.short = 0
        answer = fast_path.FastPath.answer

        async def counted(*args: Any) -> Any:
            ready = await answer(*args)
            self.short += ready is not None
            return ready

        monkeypatch.setattr(fast_path.FastPath, "answer", counted)

    async def ask(
        self, server: Server, path: str, caller: Mapping[str, str], **headers: str
    ) -> tuple[bool, Answer]:
        before = self.short
        answer = await ask(server, "GET", path, {**caller, **headers})
        return self.short > before, answer


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Ways:
    return Ways(monkeypatch)


@pytest.fixture
async def server(serve: Serve) -> Server:
    server = await serve(rate_limit=RateLimitConfig(requests_per_minute=10_000))
    await server.feed.record_metrics([point(f"m{n}", n) for n in range(100)])
    await server.feed.record_trades([trade(id=f"t{n}") for n in range(3)])
    return server


def lasting(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in PER_REQUEST}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/trades", {}),
        ("/api/trades?limit=2", {}),  # a Link
        ("/api/trades?limit=2&format=csv", {}),
        ("/api/trades", {"Accept": "application/x-ndjson"}),
        ("/api/metrics/risk", {}),
        ("/api/metrics/risk", {"Accept-Encoding": "gzip"}),
        ("/api/metrics/risk?aggregation=avg&interval=1h", {"Accept-Encoding": "identity"}),
        ("/api/alerts", {}),
        ("/api/agents", {}),
    ],
)
async def test_both_ways_give_the_same(
    path: str, headers: dict[str, str], server: Server, ways: Ways
) -> None:
    for caller in (await server.login("viewer"), await server.key()):
        paths = []
        long = Answer(0, {}, b"")
        if "limit" not in path and "Accept" in headers:
            path += "?limit=100"  # a page, not an export
        for _ in range(4):
            was_short, answer = await ways.ask(server, path, caller, **headers)
            paths.append(was_short)
            assert answer.status == 200
            if was_short:
                assert (lasting(answer), answer.body) == (lasting(long), long.body)
                assert answer.headers["X-Request-ID"] != long.headers["X-Request-ID"]
                assert answer.headers.keys() == long.headers.keys()
            else:
                long = answer
        assert paths[-2:] == [True, True]
        tag = long.headers["ETag"]
        was_short, unchanged = await ways.ask(
            server, path, caller, **headers, **{"If-None-Match": f'"other", {tag}'}
        )
        assert was_short
        went_short, same = await ways.ask(
            server, path, caller, **headers, **{"If-None-Match": tag, "Cache-Control": "max-age=0"}
        )
        assert not went_short
        assert (unchanged.status, unchanged.body) == (same.status, same.body) == (304, b"")
        assert lasting(unchanged) == lasting(same)


@asynccontextmanager
async def asked_again(server: Server, ways: Ways, caller: Mapping[str, str]) -> AsyncIterator[None]:
    """The same question has gone the short way before, and after something changed it does not."""
    for _ in range(3):
        was_short, answer = await ways.ask(server, "/api/trades", caller)
        assert answer.status == 200
    assert was_short
    yield
    was_short, _ = await ways.ask(server, "/api/trades", caller)
    assert not was_short


async def test_a_write_is_seen_at_once(server: Server, ways: Ways) -> None:
    caller = await server.login("viewer")
    async with asked_again(server, ways, caller):
        await server.feed.record_trade(trade(id="new"))
    _, answer = await ways.ask(server, "/api/trades", caller)
    assert len(answer.json) == 4


async def test_who_may_no_longer_call_is_refused(server: Server, ways: Ways) -> None:
    caller = await server.login("viewer")
    async with asked_again(server, ways, caller):
        await server.dashboard.accounts.disable_user("viewer")
    _, answer = await ways.ask(server, "/api/trades", caller)
    problem(answer, 401)


async def test_a_token_that_ends_is_refused(
    server: Server, ways: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = await server.login("viewer")
    async with asked_again(server, ways, caller):
        monkeypatch.setattr(authenticator, "now", lambda: now() + timedelta(hours=2))
    _, answer = await ways.ask(server, "/api/trades", caller)
    problem(answer, 401)


async def test_nobody_gets_an_answer_by_anothers_question(server: Server, ways: Ways) -> None:
    caller = await server.login("viewer")
    async with asked_again(server, ways, caller):
        for stranger in ({}, {"Authorization": "Bearer x"}, {"X-API-Key": "apk_x"}):
            was_short, answer = await ways.ask(server, "/api/trades", stranger)
            assert not was_short
            problem(answer, 401)
        _, narrow = await server.dashboard.accounts.create_api_key("narrow", {"view_metrics"})
        for _ in range(3):
            _, answer = await ways.ask(server, "/api/trades", {"X-API-Key": narrow})
            problem(answer, 403)
        await server.feed.record_trade(trade(id="last"))


async def test_the_limit_counts_both_ways_alike(serve: Serve, ways: Ways) -> None:
    server = await serve(rate_limit=RateLimitConfig(requests_per_minute=30))
    caller = await server.login("viewer")
    left = []
    for _ in range(30):
        _, answer = await ways.ask(server, "/api/trades", caller)
        assert answer.status == 200
        left.append(int(answer.headers["RateLimit"].split("r=")[1].split(";")[0]))
    assert ways.short >= 28
    assert left == sorted(left, reverse=True)
    assert left[-1] <= 1
    statuses = [(await ways.ask(server, "/api/trades", caller))[1].status for _ in range(3)]
    assert 429 in statuses


@pytest.mark.parametrize(
    "headers",
    [
        {"Cache-Control": "no-cache"},
        {"Origin": "https://dashboard.example.com"},
        {"Connection": "close"},
    ],
)
async def test_what_wants_more_goes_the_long_way(
    headers: dict[str, str], serve: Serve, ways: Ways
) -> None:
    server = await serve(cors=CorsConfig(allowed_origins=("https://dashboard.example.com",)))
    caller = await server.login("viewer")
    for _ in range(3):
        await ways.ask(server, "/api/trades", caller)
    assert ways.short
    was_short, answer = await ways.ask(server, "/api/trades", caller, **headers)
    assert answer.status == 200
    assert not was_short
    if "Origin" in headers:
        assert answer.headers["Access-Control-Allow-Origin"] == headers["Origin"]
    if "Cache-Control" in headers:
        assert answer.headers["X-Cache"] == "BYPASS"


async def test_it_is_logged_and_counted(
    server: Server, ways: Ways, caplog: pytest.LogCaptureFixture
) -> None:
    caller = await server.login("viewer")
    for _ in range(3):
        await ways.ask(server, "/api/trades", caller)
    with caplog.at_level(logging.INFO, "alphapulse_api.access"):
        was_short, answer = await ways.ask(
            server, "/api/trades", caller, **{"X-Request-ID": "mine"}
        )
    assert was_short
    assert answer.headers["X-Request-ID"] == "mine"
    (record,) = caplog.records
    assert record.getMessage() == "GET /api/trades 200"
    assert (record.__dict__["caller"], record.__dict__["request_id"]) == ("user:viewer", "mine")
    figures = await ask(server, "GET", "/metrics", await server.login())
    assert b'route="/api/trades",status="200"} 4.0' in figures.body


async def test_a_host_that_wants_to_see_everything_sees_everything(
    config: Config, ways: Ways
) -> None:
    seen = []

    @web.middleware
    async def host(request: web.Request, handler: Any) -> web.StreamResponse:
        seen.append(request.path)
        response: web.StreamResponse = await handler(request)
        return response

    alone = create_app(config)
    alone.middlewares.append(host)
    parent = web.Application(middlewares=[host])
    parent.add_subapp("/dashboard/", create_app(config))
    # Its own middleware stands behind ours: cached answers never came that far.
    for app, prefix, count in ((alone, "", 2), (parent, "/dashboard", 5)):
        seen.clear()
        async with TestClient(TestServer(app)) as client:
            form = {
                "grant_type": "password", "username": "admin", "password": "correct horse battery",
            }  # fmt: skip
            async with client.post(f"{prefix}/token", data=form) as response:
                token = (await response.json())["access_token"]
            for _ in range(4):
                headers = {"Authorization": f"Bearer {token}"}
                async with client.get(f"{prefix}/api/trades", headers=headers) as response:
                    assert response.status == 200
        assert len(seen) == count
    assert not ways.short


async def test_it_keeps_no_bodies(
    server: Server, ways: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast_paths = []
    learn = fast_path.FastPath.learn

    def watched(self: fast_path.FastPath, *args: Any) -> None:
        fast_paths.append(self)
        learn(self, *args)

    monkeypatch.setattr(fast_path.FastPath, "learn", watched)
    caller = await server.login("viewer")
    for _ in range(3):
        was_short, answer = await ways.ask(server, "/api/metrics/risk", caller)
    assert was_short
    (plan,) = view.plans(fast_paths[0]).values()
    kept = [plan]
    for thing in kept:  # what it holds, and what that holds; the caller's and the route's no more
        if isinstance(thing, fast_path.Plan | tuple | list | dict):
            kept += gc.get_referents(thing)
    assert answer.body
    assert not [thing for thing in kept if isinstance(thing, bytes) and answer.body in thing]
