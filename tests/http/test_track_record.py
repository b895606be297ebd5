"""The track record of an agent, as a client reads it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from alphapulse_api.auth.permissions import VIEWS
from alphapulse_api.client import DashboardClient
from alphapulse_api.domain.times import now
from alphapulse_api.projections.outcomes.rebuild import rebuild
from alphapulse_api.storage.engine import Transaction
from tests.asking import ask
from tests.conftest import Server

HOUR = timedelta(hours=1)
COUNT = 30
BEGIN = now().replace(minute=0, second=0, microsecond=0) - 80 * HOUR


async def received_in_time(server: Server) -> None:
    """Let each signal have been received at its time, and enter it again."""

    async def work(transaction: Transaction) -> None:
        await transaction.execute("UPDATE signals SET received_at = timestamp")
        await transaction.execute("DELETE FROM signal_outcomes")

    await server.backend.engine.write(work)
    await rebuild(server.backend.engine)


async def test_an_agent_that_knows_is_better_than_chance(either: Server) -> None:
    feed = either.feed
    prices = [100 + (number * 37) % 11 for number in range(COUNT + 40)]
    await feed.record_metrics(
        [
            {"metric_type": "price", "name": "BTC", "timestamp": BEGIN + n * HOUR, "value": value}
            for n, value in enumerate(prices)
        ]
    )
    for number in range(32, 32 + COUNT):
        signal: dict[str, Any] = {
            "symbol": "BTC",
            "direction": "buy" if prices[number + 1] > prices[number] else "sell",
            "confidence": 0.9,
            "conviction": 0.8 if prices[number + 1] > prices[number] else -0.8,
            "horizon": "PT1H",
            "timestamp": BEGIN + number * HOUR,
            "usage": [{"model": "m", "cost": "0.01", "currency": "USD"}, {"model": "m"}],
        }
        await feed.record_signal("oracle", signal)
    await feed.record_signal("oracle", {"symbol": "BTC", "abstained": True, "reason": "blind"})
    trade = {"symbol": "BTC", "quantity": 1, "agent_id": "oracle", "fee": "0.10"}
    await feed.record_trade({**trade, "side": "buy", "price": 100, "executed_at": BEGIN})
    await feed.record_trade({**trade, "side": "sell", "price": 103, "executed_at": BEGIN + HOUR})
    caller = await either.key()
    async with DashboardClient(either.url, api_key=caller["X-API-Key"]) as client:
        imported = await client.track_record("oracle")
        assert (imported["outcomes"], imported["imported"]["outcomes"]) == (0, COUNT)
        assert imported["verdict"] == "too_few"
        await received_in_time(either)
        record = await client.track_record("oracle")
    assert (record["outcomes"], record["rounds"], record["verdict"]) == (COUNT, COUNT, "better")
    assert record["hit_rate"]["value"] == 1
    assert record["base_rate"] == pytest.approx(0.5, abs=0.1)
    low, high = record["base_rate_interval"]["low"], record["base_rate_interval"]["high"]
    assert low is not None
    assert high is not None
    assert low < (record["base_rate"] or 0) < high
    assert record["brier_score"]["value"] == pytest.approx(0.01)
    (calibrated,) = record["calibration"]
    assert (calibrated["low"], calibrated["high"], calibrated["outcomes"]) == (0.8, 0.9, COUNT)
    assert calibrated["stated"] == pytest.approx(0.9)
    assert calibrated["happened"] == record["hit_rate"]["value"]
    assert calibrated["happened_interval"]["low"] == record["hit_rate"]["low"]
    assert (record["signals"], record["abstentions"]) == (COUNT + 1, 1)
    profit = record["profit"]
    assert (profit["round_trips"], profit["realized"]) == (1, Decimal(3))
    assert profit["net"] == Decimal("2.8")
    assert record["cost_rate"] == pytest.approx(0.002)
    assert record["mean_return_after_cost"]["value"] == pytest.approx(
        (record["mean_return"]["value"] or 0) - 0.002
    )
    assert record["thinking"][0]["cost"] == Decimal("0.3")
    assert record["unknown_costs"] == COUNT


async def test_reported_calls_and_spans_count_as_thinking(either: Server) -> None:
    feed = either.feed
    signal = {"symbol": "BTC", "direction": "buy", "timestamp": BEGIN, "cycle_id": "c-1"}
    await feed.record_signal("a1", signal)
    call = {"agent_id": "a1", "model": "house-llm", "input_tokens": 9, "timestamp": BEGIN}
    await feed.record_usage({**call, "cost": "0.25", "currency": "EUR"})
    await feed.record_spans([{**call, "id": "span-1", "cycle_id": "c-1", "calls": 2}])
    await feed.record_usage({**call, "agent_id": "a2", "cost": "9", "currency": "USD"})
    caller = await either.key()
    path = "/api/agents/a1/record"
    record = await either.json(path, caller, end_time=(BEGIN + HOUR).isoformat())
    assert record["thinking"] == [
        {"currency": "EUR", "cost": "0.25", "profit_per_cost": None,
         "profit_per_cost_interval": {"low": None, "high": None}},
    ]  # fmt: skip
    assert record["unknown_costs"] == 2
    stated = [{"model": "house-llm", "cost": "0.5", "currency": "EUR"}]
    await feed.record_signal("a1", {**signal, "usage": stated})  # its span does not count any more
    record = await either.json(path, caller)
    assert (record["thinking"][0]["cost"], record["unknown_costs"]) == ("0.75", 0)
    later = await either.json(path, caller, start_time=(BEGIN + HOUR).isoformat())
    assert (later["thinking"], later["unknown_costs"]) == ([], 0)


async def test_an_agent_that_nobody_knows_is_not_found(server: Server) -> None:
    caller = await server.key()
    answer = await ask(server, "GET", "/api/agents/nobody/record", caller)
    assert (answer.status, answer.json["detail"]) == (
        404,
        "There is no agent 'nobody' with signals in the book 'main'.",
    )


async def test_a_record_is_of_one_book_and_a_backtest_has_no_verdict(server: Server) -> None:
    await server.feed.open_book("test", mode="backtest", currency="USD")
    for book in ("main", "test"):
        await server.feed.record_signal(
            "a1", {"symbol": "BTC", "direction": "buy", "horizon": "PT1H", "book": book}
        )
    caller = await server.key()
    path = "/api/agents/a1/record"
    main = await ask(server, "GET", path, caller)
    assert (main.json["book"], main.json["verdict"], main.json["pending"]) == ("main", "too_few", 1)
    tested = await ask(server, "GET", f"{path}?book=test", caller)
    assert (tested.json["mode"], tested.json["verdict"]) == ("backtest", None)
    assert (await ask(server, "GET", f"{path}?book=*", caller)).status == 422


async def test_a_caller_of_one_book_knows_only_its_agents(server: Server) -> None:
    await server.feed.open_book("beta", mode="paper", currency="USD")
    signal = {"symbol": "BTC", "direction": "buy", "horizon": "PT1H"}
    await server.feed.record_signal("a1", signal)
    await server.feed.record_signal("b1", {**signal, "book": "beta"})
    _, key = await server.dashboard.accounts.create_api_key("beta", VIEWS, books=["beta"])
    caller = {"X-API-Key": key}
    assert (await ask(server, "GET", "/api/agents/b1/record", caller)).json["book"] == "beta"
    assert (await ask(server, "GET", "/api/agents/a1/record", caller)).status == 404
    foreign = await ask(server, "GET", "/api/agents/a1/record?book=main", caller)
    assert foreign.status == 404
