"""What is computed when: one answer at a time for each question, and no more than was changed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from alphapulse_api import Config
from alphapulse_api.config import CacheConfig
from tests.asking import POINT, PORTFOLIO, SIGNAL, TRADE, ask
from tests.conftest import Serve, Server
from tests.waiting import until


@pytest.fixture
def config(config: Config, either_cache: CacheConfig) -> Config:
    """All of this is true of either cache."""
    return replace(config, cache=either_cache)


async def test_metric_types_are_invalidated_apart(server: Server) -> None:
    caller = await server.key()
    for path in ("/api/metrics/risk", "/api/metrics/trade"):
        await ask(server, "GET", path, caller)
    await server.feed.record_metrics(POINT)
    risk = await ask(server, "GET", "/api/metrics/risk", caller)
    trade = await ask(server, "GET", "/api/metrics/trade", caller)
    assert (risk.headers["X-Cache"], trade.headers["X-Cache"]) == ("MISS", "HIT")


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
