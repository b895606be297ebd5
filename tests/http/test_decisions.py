"""Decisions: recorded in any order with what belongs to them, listed, and explained."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest

from tests.asking import SIGNAL, TRADE, ask, places, problem
from tests.conftest import Server

USAGE = {"model": "o9", "cost": "0.02", "currency": "USD"}
DECISION: dict[str, Any] = {
    "id": "d-1",
    "made_at": "2026-01-31T12:00:00Z",
    "agent_id": "manager",
    "cycle_id": "c-1",
    "outcome": "ordered",
    "reasoning": "Two of three agents\nare *bullish*. \x07\u202e" + "x" * 60_000,
    "signal_ids": ["s-1", "s-2"],
    "votes": [{"agent_id": "value-1", "weight": 0.5, "conviction": 0.4}, {"agent_id": "m"}],
    "targets": [
        {"symbol": "AAPL", "weight_before": 0, "weight_target": 0.1, "quantity": "10"},
        {"symbol": "MSFT", "quantity": "-1.50"},
    ],
    "constraints": [
        {"name": "max_weight", "symbol": "AAPL", "before": "0.2", "after": "0.10", "reason": "cap"}
    ],
    "usage": [USAGE],
    "metadata": {"run": 7},
}
READER = ("publish", "view_trades", "view_agents")


async def _record(server: Server, key: Any, **change: Any) -> Any:
    answer = await ask(server, "POST", "/api/decisions", key, json=DECISION | change)
    assert answer.status == 201, answer.body
    return answer.json


async def test_a_decision_is_kept_in_full_and_listed_without_its_reasoning(either: Server) -> None:
    key = await either.key(*READER)
    made = await ask(either, "POST", "/api/decisions", key, json=DECISION)
    assert (made.status, made.headers["Location"]) == (201, "/api/decisions/d-1")
    assert (await ask(either, "POST", "/api/decisions", key, json=DECISION)).status == 200
    assert (await ask(either, "GET", "/api/decisions", key)).json == [made.json]
    shown = (await ask(either, "GET", "/api/decisions/d-1", key)).json
    rest = {"reasoning": DECISION["reasoning"], "trade_ids": [], "corrected_by": []}
    assert shown == {**made.json, **rest}
    expected = {**DECISION, "made_at": "2026-01-31T12:00:00.000000Z", "symbols": ["AAPL", "MSFT"]}
    assert {name: shown[name] for name in expected} == expected
    file = await ask(either, "GET", "/api/decisions/export?format=ndjson", key)
    for back in (made.json, shown, file.json):  # what was read may be sent back
        assert (await ask(either, "POST", "/api/decisions", key, json=back)).status == 200
    for change in ({"reasoning": "No."}, {"votes": []}, {"signal_ids": ["s-1"]}):
        changed = await ask(either, "POST", "/api/decisions", key, json=DECISION | change)
        assert problem(changed, 409)["errors"][0]["pointer"] == "/id"
    csv = await ask(either, "GET", "/api/decisions/export", key)
    media = {"Content-Type": "text/csv"}
    there = await ask(either, "POST", "/api/decisions/import", key, data=csv.body, headers=media)
    assert there.json == {"accepted": 1, "new": 0}


async def test_a_decision_is_stored_with_its_signals_and_trades(either: Server) -> None:
    key = await either.key(*READER)
    whole = {
        "signals": [{**SIGNAL, "id": "s-9", "agent_id": "value-1", "thesis": "Cheap."}, SIGNAL],
        "trades": [{**TRADE, "id": "t-9", "decided_price": "187"}, {**TRADE, "symbol": "TSLA"}],
        "signal_ids": ["s-1"],
        "outcome": None,
    }
    made = await _record(either, key, **whole)
    assert (made["outcome"], made["symbols"]) == ("ordered", ["AAPL", "MSFT", "TSLA"])
    assert made["signal_ids"][:2] == ["s-1", "s-9"]
    trade = (await ask(either, "GET", "/api/trades/t-9", key)).json
    assert (trade["decision_id"], trade["decided_price"]) == ("d-1", "187")
    assert trade["executed_at"] == made["made_at"]
    path = f"/api/agents/manager/signals/{made['signal_ids'][2]}"  # by default the decider's
    assert (await ask(either, "GET", path, key)).json["timestamp"] == made["made_at"]
    again = await ask(either, "POST", "/api/decisions", key, json=DECISION | whole)
    assert (again.status, again.json) == (200, made)
    assert len((await ask(either, "GET", "/api/trades", key)).json) == 2
    shown = await ask(either, "GET", "/api/decisions/d-1?expand=signals,trades,cost", key)
    assert {trade["symbol"] for trade in shown.json["trades"]} == {"AAPL", "TSLA"}
    assert [signal["id"] for signal in shown.json["signals"]] == made["signal_ids"][1:]
    assert shown.json["signals"][0]["thesis"] == "Cheap."
    assert shown.json["missing"] == ["signal s-1"]


@pytest.mark.parametrize("times", [{}, {"made_at": DECISION["made_at"]}], ids=["none", "its-own"])
async def test_a_repeat_of_a_decision_whose_parts_have_no_time_changes_nothing(
    either: Server, times: dict[str, str]
) -> None:
    key = await either.key(*READER)
    whole = {"id": "d-1", "agent_id": "m", "signals": [SIGNAL], "trades": [TRADE], **times}
    made = await ask(either, "POST", "/api/decisions", key, json=whole)
    again = await ask(either, "POST", "/api/decisions", key, json=whole)
    assert (made.status, again.status, again.json) == (201, 200, made.json)
    assert len((await ask(either, "GET", "/api/trades", key)).json) == 1
    expanded = await ask(either, "GET", "/api/decisions/d-1?expand=signals,trades", key)
    back = await ask(either, "POST", "/api/decisions", key, json=expanded.json)
    assert (back.status, back.json) == (200, made.json)
    for name, part in (("signals", {**SIGNAL, "symbol": "X"}), ("trades", {**TRADE, "price": 1})):
        other = await ask(either, "POST", "/api/decisions", key, json={**whole, name: [part]})
        assert problem(other, 409)["errors"][0]["pointer"] == f"/{name}/0/id"


async def test_nothing_is_stored_of_a_decision_whose_trade_conflicts(either: Server) -> None:
    key = await either.key(*READER)
    trade = {**TRADE, "id": "t-1"}
    assert (await ask(either, "POST", "/api/trades", key, json=trade)).status == 201
    other = {"signals": [{**SIGNAL, "id": "s-9"}], "trades": [{**trade, "quantity": "11"}]}
    refused = await ask(either, "POST", "/api/decisions", key, json=DECISION | other)
    assert problem(refused, 409)["errors"][0]["pointer"] == "/trades/0/id"
    batch = [DECISION | other, DECISION | {"id": "d-2"}, DECISION | {"id": "d-3", "targets": 1}]
    answer = await ask(either, "POST", "/api/decisions/batch", key, json=batch[:2])
    assert problem(answer, 409)["errors"][0]["pointer"] == "/0/trades/0/id"
    assert (await ask(either, "GET", "/api/decisions", key)).json == []
    assert (await ask(either, "GET", "/api/agents/manager/signals/s-9", key)).status == 404
    answer = await ask(either, "POST", "/api/decisions/batch?on_error=continue", key, json=batch)
    assert [result["status"] for result in answer.json["results"]] == [409, 201, 422]
    listed = (await ask(either, "GET", "/api/decisions", key)).json
    assert [decision["id"] for decision in listed] == ["d-2"]
    assert (await ask(either, "GET", "/api/agents/manager/signals/s-9", key)).status == 404


async def test_a_trade_is_explained_whatever_came_first(either: Server) -> None:
    key = await either.key(*READER)
    trade = {**TRADE, "id": "t-1"}
    why = "/api/trades/t-1/why"
    assert (await ask(either, "POST", "/api/trades", key, json=trade)).status == 201
    alone = (await ask(either, "GET", why, key)).json
    assert (alone["trade"]["id"], alone["decision"], alone["missing"]) == ("t-1", None, [])
    late = {**trade, "decision_id": "d-1"}  # a late fact
    assert (await ask(either, "POST", "/api/trades", key, json=late)).status == 200
    assert (await ask(either, "GET", why, key)).json["missing"] == ["decision d-1"]
    await _record(either, key)
    partly = (await ask(either, "GET", why, key)).json
    assert partly["decision"]["reasoning"] == DECISION["reasoning"]
    assert partly["decision"]["trade_ids"] == ["t-1"]
    assert partly["missing"] == ["signal s-1", "signal s-2"]
    for number, cost in ((1, {**USAGE, "cost": "0.015"}), (2, {"model": "o9", "calls": 3})):
        body = {**SIGNAL, "id": f"s-{number}", "thesis": f"Thesis {number}.", "usage": [cost]}
        made = await ask(either, "POST", f"/api/agents/a{number}/signals", key, json=body)
        assert made.status == 201
    whole = (await ask(either, "GET", why, key)).json
    assert [signal["thesis"] for signal in whole["signals"]] == ["Thesis 1.", "Thesis 2."]
    assert whole["cost"] == {
        "totals": [{"currency": "USD", "cost": "0.035"}], "calls": 5, "unpriced_calls": 3,
    }  # fmt: skip
    assert (whole["missing"], len(whole["trade"]["history"])) == ([], 1)
    price = {"metric_type": "price", "name": "AAPL", "value": 190.2}
    await either.feed.record_metrics([price])
    profit = (await ask(either, "GET", why, key)).json["profit"]
    assert (profit["position_before"], profit["position_after"]) == ("0", "10")
    assert Decimal(profit["profit"]) == 10 * (Decimal("190.2") - Decimal("187.20"))
    shown = (await ask(either, "GET", "/api/decisions/d-1?expand=profit", key)).json
    assert shown["profits"] == [{"trade_id": "t-1", **profit}]
    assert "trades" not in shown
    assert (await ask(either, "GET", "/api/trades/t-9/why", key)).status == 404


async def test_decisions_are_found_by_agent_symbol_cycle_and_time(either: Server) -> None:
    key = await either.key(*READER)
    for n in range(6):
        await _record(
            either, key,
            id=f"d-{n}", made_at=f"2026-01-31T12:00:0{n // 2}Z", agent_id=f"m{n % 2}",
            cycle_id=f"c-{n // 3}",
            targets=[{"symbol": "AAPL"}, {"symbol": "MSFT"}] if n % 3 else [],
            constraints=[],
        )  # fmt: skip
    for query, expected in (
        ("", [5, 4, 3, 2, 1, 0]),
        ("agent_id=m1", [5, 3, 1]),
        ("symbol=MSFT", [5, 4, 2, 1]),
        ("symbol=TSLA", []),
        ("cycle_id=c-1", [5, 4, 3]),
        ("symbol=AAPL&agent_id=m0&sort=asc", [2, 4]),
        ("start_time=2026-01-31T12:00:01Z&end_time=2026-01-31T12:00:02Z", [3, 2]),
    ):
        found, path = [], f"/api/decisions?limit=2&{query}"
        while path:
            answer = await ask(either, "GET", path, key)
            found += [int(decision["id"][2:]) for decision in answer.json]
            cursor = answer.headers.get("X-Next-Cursor")
            path = f"/api/decisions?limit=2&{query}&cursor={cursor}" if cursor else ""
        assert found == expected, query


async def test_a_decision_makes_only_lists_stale_that_may_contain_it(either: Server) -> None:
    key = await either.key(*READER)
    await _record(either, key, id="d-0")
    mine = (
        "symbol=AAPL",
        "symbol=MSFT",
        "cycle_id=c-1",
        "agent_id=manager",
        "cycle_id=c-1&symbol=A",
    )
    others = ("symbol=TSLA", "cycle_id=c-2", "agent_id=m9", "symbol=TSLA&agent_id=manager")

    async def states(queries: Iterable[str]) -> set[str]:
        return {
            (await ask(either, "GET", f"/api/decisions?{query}", key)).headers["X-Cache"]
            for query in queries
        }

    assert await states((*mine, *others)) == {"MISS"}
    assert await states((*mine, *others)) == {"HIT"}
    await _record(either, key, id="d-1")
    assert await states(mine) == {"MISS"}
    assert await states(others) == {"HIT"}
    answer = await ask(either, "GET", "/api/decisions?symbol=MSFT", key)
    assert [row["id"] for row in answer.json] == ["d-1", "d-0"]


async def test_a_correction_is_a_new_decision_and_makes_no_ring(either: Server) -> None:
    key = await either.key(*READER)
    await _record(either, key)
    await _record(either, key, id="d-2", corrects="d-1")
    assert (await ask(either, "GET", "/api/decisions/d-1", key)).json["corrected_by"] == ["d-2"]
    await _record(either, key, id="d-3", corrects="d-4")  # which may come later
    for bad in ({"id": "d-4", "corrects": "d-3"}, {"id": "d-5", "corrects": "d-5"}):
        refused = await ask(either, "POST", "/api/decisions", key, json=DECISION | bad)
        assert places(refused) == ["/corrects"]
    ring = [{"id": "r-1", "corrects": "r-2"}, {"id": "r-2", "corrects": "r-1"}, {"id": "r-3"}]
    batch = [DECISION | change for change in ring]
    answer = await ask(either, "POST", "/api/decisions/batch", key, json=batch)
    assert places(answer) == ["/0/corrects"]
    answer = await ask(either, "POST", "/api/decisions/batch?on_error=continue", key, json=batch)
    assert [result["status"] for result in answer.json["results"]] == [201, 422, 201]


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"agent_id": None}, ["/agent_id"]),
    ({"outcome": "perhaps"}, ["/outcome"]),
    ({"signal_ids": [f"s{n}" for n in range(1001)]}, ["/signal_ids"]),
    ({"signal_ids": [f"s{n}" for n in range(1000)], "signals": [SIGNAL]}, ["/signal_ids"]),
    ({"signal_ids": ["a b"]}, ["/signal_ids/0"]),
    ({"trades": [{**TRADE, "quantity": "-1"}]}, ["/trades/0/quantity"]),
    ({"trades": [{**TRADE, "decision_id": "d-2"}]}, ["/trades/0/decision_id"]),
    ({"signals": [{"symbol": "AAPL"}]}, ["/signals/0/direction"]),
    ({"votes": [{"weight": 1}]}, ["/votes/0/agent_id"]),
    ({"votes": [{"agent_id": "a", "conviction": 2}]}, ["/votes/0/conviction"]),
    ({"targets": [{"quantity": "x", "symbol": "A"}]}, ["/targets/0/quantity"]),
    ({"constraints": [{"symbol": "A"}]}, ["/constraints/0/name"]),
    ({"usage": [{**USAGE, "cost": "-1"}]}, ["/usage/0/cost"]),
    ({"reasoning": "x" * 65_537}, ["/reasoning"]),
    ({"reason": "x"}, ["/reason"]),
]


@pytest.mark.parametrize(("change", "expected"), WRONG, ids=lambda value: str(value)[:40])
async def test_what_is_wrong_with_a_decision_is_named(
    server: Server, change: dict[str, Any], expected: list[str]
) -> None:
    key = await server.key("publish")
    answer = await ask(server, "POST", "/api/decisions", key, json=DECISION | change)
    assert places(answer) == expected


@pytest.mark.parametrize("path", ["/api/trades/t-1/why", "/api/decisions/d-1"])
@pytest.mark.parametrize("scope", ["view_trades", "view_agents"])
async def test_a_whole_chain_needs_both_permissions(server: Server, path: str, scope: str) -> None:
    _, key = await server.dashboard.accounts.create_api_key("narrow", {scope})
    answer = await ask(server, "GET", path, {"X-API-Key": key})
    assert "view_" in problem(answer, 403)["detail"]
