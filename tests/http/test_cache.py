"""Answers from the cache: the same as fresh ones, sooner; never of yesterday."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alphapulse_api import Config
from alphapulse_api.config import CacheConfig, EventsConfig, PortfolioConfig
from tests.asking import (
    ALERT,
    POINT,
    PORTFOLIO,
    SAMPLE,
    SIGNAL,
    TRADE,
    VARY,
    Answer,
    ask,
    problem,
)
from tests.conftest import Serve, Server
from tests.waiting import until

CACHED = {
    "/api/metrics": "metrics",
    "/api/metrics/risk": "metrics",
    "/api/alerts": "alerts",
    "/api/alerts/x1": "alerts",
    "/api/trades": "trades",
    "/api/trades/x1": "trades",
    "/api/agents": "agents",
    "/api/agents/x1/signals": "agents",
    "/api/system": "system",
    "/api/portfolio": "portfolio",
}
ALWAYS_READ = ("/api/me", "/api/metrics/risk/latest")
WITH_CURSOR = ("metrics", "alerts", "trades", "portfolio")


@pytest.fixture
def config(config: Config, either_cache: CacheConfig) -> Config:
    """All of this is true of either cache."""
    return replace(config, cache=either_cache)


async def _populate(server: Server) -> None:
    await server.feed.record_trade({**TRADE, "id": "x1"})
    await server.feed.raise_alert({**ALERT, "id": "x1"})
    await server.feed.record_metrics(POINT)
    await server.feed.update_portfolio(PORTFOLIO)
    await server.feed.record_signal("x1", SIGNAL)
    await server.feed.report_system(SAMPLE)


async def test_gets_say_how_they_may_be_kept(server: Server) -> None:
    await _populate(server)
    one, two = await server.key(name="one"), await server.key(name="two")
    for path in (*CACHED, *ALWAYS_READ):
        states = ("MISS", "HIT") if path in CACHED else ("BYPASS", "BYPASS")
        first = await ask(server, "GET", path, one)
        second = await ask(server, "GET", path, two if path != "/api/me" else one)
        assert (first.headers["X-Cache"], second.headers["X-Cache"]) == states, path
        assert first.body == second.body
        for answer in (first, second):
            assert answer.headers["Cache-Control"] == "private, no-cache"
            assert answer.headers["Vary"] == VARY
            has_cursor = path.split("/")[2] in WITH_CURSOR
            assert ("X-Stream-Cursor" in answer.headers) == has_cursor, path
        etag = first.headers["ETag"]
        assert etag.startswith('"')
        assert second.headers["ETag"] == etag
        for condition in (etag, f'"other", W/{etag}', "*"):
            same = await ask(server, "GET", path, one, headers={"If-None-Match": condition})
            assert (same.status, same.body) == (304, b""), path
            assert same.headers["ETag"] == etag
            assert same.headers["Vary"] == VARY
            assert "Cache-Control" in same.headers
        other = await ask(server, "GET", path, one, headers={"If-None-Match": '"other"'})
        assert (other.status, other.body) == (200, first.body)
        head = await ask(server, "HEAD", path, one)
        assert (head.status, head.body, head.headers["ETag"]) == (200, b"", etag)
        assert head.headers["Content-Length"] == str(len(first.body))


async def test_no_cache_asks_the_store(server: Server) -> None:
    caller = await server.key()
    await ask(server, "GET", "/api/trades", caller)
    for control in ("no-cache", "max-age=0, no-cache", "No-Cache"):
        answer = await ask(server, "GET", "/api/trades", caller, headers={"Cache-Control": control})
        assert answer.headers["X-Cache"] == "BYPASS", control


async def test_the_cache_never_answers_whom_the_route_refuses(server: Server) -> None:
    assert (await ask(server, "GET", "/api/alerts", await server.key())).status == 200
    _, narrow = await server.dashboard.accounts.create_api_key("narrow", {"view_trades"})
    problem(await ask(server, "GET", "/api/alerts", {"X-API-Key": narrow}), 403)
    problem(await ask(server, "GET", "/api/alerts"), 401)


async def test_a_query_that_asks_the_same_shares_an_answer(server: Server) -> None:
    caller = await server.key()
    asked = [
        "/api/trades?symbol=A&side=buy&start_time=2026-01-01T00:00:00Z",
        "/api/trades?side=buy&start_time=1767225600&symbol=%41",
        "/api/trades?side=buy&start_time=1767225600000&symbol=A&format=json",
        "/api/trades?side=buy&start_time=2026-01-01T01:00:00%2B01:00&symbol=A",
        "/api/trades?side=sell&start_time=1767225600&symbol=A",
    ]
    states = [(await ask(server, "GET", path, caller)).headers["X-Cache"] for path in asked]
    assert states == ["MISS", "HIT", "HIT", "HIT", "MISS"]


Write = Callable[[Server], Awaitable[Any]]
WRITES: dict[str, list[Write]] = {
    "trades": [lambda s: s.feed.record_trade({**TRADE, "id": "x2"})],
    "alerts": [
        lambda s: s.feed.raise_alert({**ALERT, "id": "x2"}),
        lambda s: s.feed.acknowledge_alert("x1", "ann"),
        lambda s: s.feed.resolve_alert("x1"),
    ],
    "metrics": [lambda s: s.feed.record_metrics({**POINT, "value": 2})],
    "agents": [
        lambda s: s.feed.update_agent("x1", {"state": "error"}),
        lambda s: s.feed.record_signal("x1", SIGNAL),
    ],
    "system": [lambda s: s.feed.report_system(SAMPLE)],
    "portfolio": [lambda s: s.feed.update_portfolio({**PORTFOLIO, "cash": "1"})],
}


@pytest.mark.parametrize("resource", WRITES)
async def test_a_write_is_seen_by_the_next_read_and_by_no_other_resource(
    server: Server, resource: str
) -> None:
    await _populate(server)
    caller = await server.key()
    before = {path: await ask(server, "GET", path, caller) for path in CACHED}
    for write in WRITES[resource]:
        await write(server)
        for path, of in CACHED.items():
            after = await ask(server, "GET", path, caller)
            assert after.headers["X-Cache"] == ("MISS" if of == resource else "HIT"), path
            if of != resource:
                assert after.body == before[path].body
        listing = "/api/metrics/risk" if resource == "metrics" else f"/api/{resource}"
        after = await ask(server, "GET", listing, caller)
        assert after.headers["ETag"] != before[listing].headers["ETag"]
        before[listing] = after


def _past() -> dict[str, str]:
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    start = end - timedelta(hours=1)
    return {"start_time": start.isoformat(), "end_time": end.isoformat()}


async def test_a_late_point_lands_in_a_past_range_that_a_browser_keeps(
    server: Server,
) -> None:
    caller, past = await server.key(), _past()

    async def get(path: str = "/api/metrics/risk") -> Answer:
        return await ask(server, "GET", path, caller, params=past)

    assert (await get()).headers["Cache-Control"] == "private, no-cache"
    assert (await get()).headers["X-Cache"] == "HIT"
    await server.feed.record_metrics({**POINT, "timestamp": past["start_time"]})
    late = await get()
    assert (late.headers["X-Cache"], len(late.json)) == ("MISS", 1)
    for path in ("/api/trades", "/api/alerts", "/api/system", "/api/agents"):
        assert (await get(path)).headers["Cache-Control"] == "private, no-cache"
    await server.feed.update_portfolio(PORTFOLIO)
    past["include_history"] = "true"
    assert (await get("/api/portfolio")).headers["Cache-Control"] == "private, no-cache"


async def test_a_portfolio_grows_stale_while_nobody_writes(serve: Serve) -> None:
    server = await serve(portfolio=PortfolioConfig(stale_after=0.2))
    caller = await server.key()
    await server.feed.update_portfolio(PORTFOLIO)
    for path in ("/api/portfolio?include_history=true", "/api/portfolio"):

        async def is_stale(path: str = path) -> Any:
            return (await ask(server, "GET", path, caller)).json["stale"]

        await until(is_stale)


async def test_an_answer_without_ttl_is_not_kept(config: Config, serve: Serve) -> None:
    server = await serve(cache=replace(config.cache, default_ttl=0))
    caller = await server.key()
    for _ in range(2):
        assert (await ask(server, "GET", "/api/trades", caller)).headers["X-Cache"] == "MISS"


async def test_a_cached_answer_has_a_cursor_that_the_log_still_reaches(serve: Serve) -> None:
    """Or a client that reads REST again because of `resumed: false` would never get further."""
    server = await serve(events=EventsConfig(history_size=5))
    caller = await server.key()
    await ask(server, "GET", "/api/metrics/risk", caller)
    await server.feed.record_metrics([{**POINT, "metric_type": "trade", "name": f"n{n}"}
                                      for n in range(10)])  # fmt: skip
    answer = await ask(server, "GET", "/api/metrics/risk", caller)
    assert answer.headers["X-Cache"] == "HIT"
    cursor = answer.headers["X-Stream-Cursor"]
    async with server.session.ws_connect(f"{server.url}/ws", headers=caller) as ws:
        await ws.receive_json()
        await ws.receive_json()
        since = {"type": "subscribe", "channels": ["metrics"], "since": {"metrics": cursor}}
        await ws.send_json(since)
        ack = (await ws.receive_json())["channels"]["metrics"]
    assert (ack["resumed"], ack["replayed"]) == (True, 0)


async def test_read_then_subscribe_misses_nothing(server: Server) -> None:
    caller = await server.key()
    await server.feed.record_trade({**TRADE, "id": "t1"})
    answer = await ask(server, "GET", "/api/trades", caller)
    await server.feed.record_trade({**TRADE, "id": "t2"})
    async with server.session.ws_connect(f"{server.url}/ws", headers=caller) as ws:
        await ws.receive_json()
        await ws.receive_json()
        since = {"trades": answer.headers["X-Stream-Cursor"]}
        await ws.send_json({"type": "subscribe", "channels": ["trades"], "since": since})
        assert (await ws.receive_json())["channels"]["trades"]["resumed"] is True
        assert (await ws.receive_json())["data"]["id"] == "t2"
    assert [trade["id"] for trade in answer.json] == ["t1"]
