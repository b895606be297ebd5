"""Answers from the cache: the same as fresh ones, sooner; never of yesterday."""

from __future__ import annotations

import asyncio
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
from tests.waiting import SECONDS, until

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


async def test_metric_types_are_invalidated_apart(server: Server) -> None:
    caller = await server.key()
    for path in ("/api/metrics/risk", "/api/metrics/trade"):
        await ask(server, "GET", path, caller)
    await server.feed.record_metrics(POINT)
    risk = await ask(server, "GET", "/api/metrics/risk", caller)
    trade = await ask(server, "GET", "/api/metrics/trade", caller)
    assert (risk.headers["X-Cache"], trade.headers["X-Cache"]) == ("MISS", "HIT")


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
        async with asyncio.timeout(SECONDS):
            while not (await ask(server, "GET", path, caller)).json["stale"]:
                pass


async def test_an_answer_without_ttl_is_not_kept(config: Config, serve: Serve) -> None:
    server = await serve(cache=replace(config.cache, default_ttl=0))
    caller = await server.key()
    for _ in range(2):
        assert (await ask(server, "GET", "/api/trades", caller)).headers["X-Cache"] == "MISS"


async def test_many_who_ask_at_once_cost_one_computation(server: Server) -> None:
    """Counted at the store's own accessor, which stays the one that answers."""
    caller = await server.key()
    accessor, calls = server.dashboard.trades, 0
    get_trades = type(accessor).get_trades

    async def counted(**query: Any) -> Any:
        nonlocal calls
        calls += 1
        return await get_trades(accessor, **query)

    accessor.get_trades = counted
    answers = await asyncio.gather(
        *(ask(server, "GET", "/api/trades", caller) for _ in range(20)),
        ask(server, "GET", "/api/trades?side=buy", caller),
    )
    assert {answer.status for answer in answers} == {200}
    assert calls == 2


async def test_who_asks_after_a_write_does_not_share_an_answer_from_before(server: Server) -> None:
    caller = await server.key()
    accessor = server.dashboard.trades
    get_trades = type(accessor).get_trades
    read, written = asyncio.Event(), asyncio.Event()

    async def slow(**query: Any) -> Any:
        trades = await get_trades(accessor, **query)
        if not read.is_set():
            read.set()
            await written.wait()
        return trades

    accessor.get_trades = slow
    first = asyncio.create_task(ask(server, "GET", "/api/trades", caller))
    await read.wait()
    await server.feed.record_trade(TRADE)
    second = asyncio.create_task(ask(server, "GET", "/api/trades", caller))
    written.set()
    assert len((await second).json) == 1
    assert (await first).json == []
    assert len((await ask(server, "GET", "/api/trades", caller)).json) == 1


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


async def test_a_portfolio_is_cached_until_it_is_stale_or_updated(server: Server) -> None:
    caller = await server.key()
    await server.feed.update_portfolio(PORTFOLIO)
    path = "/api/portfolio?include_history=true"

    async def states() -> list[str]:
        return [(await ask(server, "GET", path, caller)).headers["X-Cache"] for _ in range(2)]

    assert await states() == ["MISS", "HIT"]
    await server.feed.update_portfolio({**PORTFOLIO, "cash": "1"})
    assert await states() == ["MISS", "HIT"]
    assert (await ask(server, "GET", path, caller)).json["cash"] == "1"


async def test_a_write_leaves_answers_about_other_symbols_and_agents(server: Server) -> None:
    caller = await server.key()
    await server.feed.record_signal("x1", SIGNAL)
    paths = [
        "/api/trades?symbol=A", "/api/trades?symbol=B", "/api/trades?agent_id=a1",
        "/api/trades?agent_id=a1&side=sell", "/api/trades?agent_id=a2", "/api/trades?side=buy",
        "/api/agents/x1/signals", "/api/agents",
    ]  # fmt: skip

    async def missed() -> set[str]:
        answers = {path: await ask(server, "GET", path, caller) for path in paths}
        return {path for path, answer in answers.items() if answer.headers["X-Cache"] == "MISS"}

    assert await missed() == set(paths)
    assert await missed() == set()
    await server.feed.record_trade({**TRADE, "symbol": "A", "agent_id": "a1"})
    assert await missed() == {
        "/api/trades?symbol=A", "/api/trades?agent_id=a1", "/api/trades?agent_id=a1&side=sell",
        "/api/trades?side=buy",
    }  # fmt: skip
    await server.feed.import_history(trades=[{**TRADE, "id": "old", "symbol": "B", "agent_id": "a2",
                                              "executed_at": "2025-01-01T00:00:00Z"}])  # fmt: skip
    assert await missed() == {
        "/api/trades?symbol=B", "/api/trades?agent_id=a2", "/api/trades?side=buy",
    }  # fmt: skip
    await server.feed.update_agent("x2", {"state": "error"})
    assert await missed() == {"/api/agents"}
    await server.feed.record_signal("x1", SIGNAL)
    assert await missed() == {"/api/agents/x1/signals", "/api/agents"}


async def test_however_many_write_and_read_the_store_computes_one_answer_at_a_time(
    server: Server,
) -> None:
    caller = await server.key()
    accessor = server.dashboard.trades
    get_trades = type(accessor).get_trades
    computing, most, calls = 0, 0, 0
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(**query: Any) -> Any:
        nonlocal computing, most, calls
        computing += 1
        calls += 1
        most = max(most, computing)
        trades = await get_trades(accessor, **query)
        begun.set()
        await go_on.wait()
        computing -= 1
        return trades

    accessor.get_trades = slow
    first = asyncio.create_task(ask(server, "GET", "/api/trades", caller))
    await begun.wait()
    later = []
    for number in range(5):
        await server.feed.record_trade({**TRADE, "id": f"t{number}"})
        for _ in range(4):
            later.append(asyncio.create_task(ask(server, "GET", "/api/trades", caller)))
    go_on.set()
    await asyncio.gather(first, *later)
    assert {len(task.result().json) for task in later} == {5}
    assert (calls, most) == (2, 1)


async def test_an_outdated_answer_is_given_at_once_where_the_configuration_allows_it(
    config: Config, serve: Serve
) -> None:
    server = await serve(cache=replace(config.cache, max_staleness=60))
    caller = await server.key()
    assert (await ask(server, "GET", "/api/trades", caller)).headers["X-Cache"] == "MISS"
    await server.feed.record_trade(TRADE)
    stale = await ask(server, "GET", "/api/trades", caller)
    assert (stale.headers["X-Cache"], stale.json) == ("STALE", [])
    assert 0 <= int(stale.headers["Age"]) <= 60

    async def fresh() -> bool:
        answer = await ask(server, "GET", "/api/trades", caller)
        return answer.headers["X-Cache"] == "HIT" and len(answer.json) == 1

    await until(fresh)
