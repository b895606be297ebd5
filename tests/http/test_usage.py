"""What thinking cost, over REST, on either engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from alphapulse_api.domain import pricing
from tests.asking import ask
from tests.conftest import Server

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
CALL = {"provider": "openai", "model": "gpt-4o", "input_tokens": 1000, "output_tokens": 100}


def stated(cost: str, currency: str = "USD", **more: Any) -> dict[str, Any]:
    return {**CALL, "cost": cost, "currency": currency, **more}


async def sums(server: Server, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await server.json("/api/usage", await server.key(), **params)
    return found


@pytest.fixture
async def filled(either: Server) -> Server:
    """Signals, a decision and reports of three agents on two days."""
    feed = either.feed
    signal = {"symbol": "AAPL", "direction": "buy"}
    await feed.record_signal(
        "bull", {**signal, "id": "s-1", "timestamp": NOON, "usage": [stated("0.10")]}
    )
    await feed.record_signal(
        "bear",
        {**signal, "id": "s-2", "timestamp": NOON, "usage": [stated("0.25", "EUR", calls=3)]},
    )
    await feed.record_decision(
        {
            "id": "d-1", "agent_id": "manager", "made_at": NOON, "signal_ids": ["s-1", "s-2"],
            "usage": [stated("0.05", cached_tokens=400, duration=1.5)],
        }
    )  # fmt: skip
    await feed.record_usage(
        {
            **CALL, "model": "house-llm", "provider": "ours", "agent_id": "bull", "id": "u-1",
            "timestamp": NOON + timedelta(hours=13), "tool_calls": 2,
        }
    )  # fmt: skip
    return either


async def test_sums_are_by_currency_and_tell_calls_of_unknown_cost_apart(filled: Server) -> None:
    rows = await sums(filled)
    told = [(row["agent_id"], row["currency"], row["cost"], row["calls"]) for row in rows]
    assert told == [
        ("bear", "EUR", "0.25", 3),
        ("bull", None, None, 1),
        ("bull", "USD", "0.10", 1),
        ("manager", "USD", "0.05", 1),
    ]
    assert rows[1]["tool_calls"] == 2
    assert rows[3]["cached_tokens"] == 400
    assert rows[3]["duration"] == 1.5


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"group_by": "model"}, [("gpt-4o", "0.25"), ("gpt-4o", "0.15"), ("house-llm", None)]),
        ({"group_by": "book"}, [("main", None), ("main", "0.25"), ("main", "0.15")]),
        (
            {"group_by": "day"},
            [("2026-03-04", "0.25"), ("2026-03-04", "0.15"), ("2026-03-05", None)],
        ),
        (
            {"group_by": "day", "timezone": "America/New_York"},
            [("2026-03-04", None), ("2026-03-04", "0.25"), ("2026-03-04", "0.15")],
        ),
        ({"group_by": "agent", "agent_id": "manager"}, [("manager", "0.05")]),
        ({"group_by": "decision"}, [("d-1", "0.25"), ("d-1", "0.15")]),
        ({"start_time": "2026-03-05T00:00:00Z"}, [("bull", None)]),
        ({"end_time": "2026-03-04T12:00:00Z"}, []),
        (
            {"start_time": "2026-03-04T12:00:00Z", "end_time": "2026-03-04T12:15:00Z"},
            [("bear", "0.25"), ("bull", "0.10"), ("manager", "0.05")],
        ),
    ],
    ids=lambda value: (
        "-".join(f"{k}={v}" for k, v in value.items()).replace(":", "")
        if isinstance(value, dict)
        else ""
    ),
)
async def test_sums_by_group_and_range(
    filled: Server, params: dict[str, str], expected: list[tuple[str, str | None]]
) -> None:
    names = {"model": "model", "book": "book", "day": "day", "decision": "decision_id"}
    name = names.get(params.get("group_by", ""), "agent_id")
    assert [(row[name], row["cost"]) for row in await sums(filled, **params)] == expected


@pytest.mark.parametrize("group", ["agent", "model", "book", "day", "decision"])
async def test_sums_come_as_typed_columns(filled: Server, group: str) -> None:
    caller = await filled.key()
    answer = await ask(filled, "GET", f"/api/usage?group_by={group}&format=arrow", caller)
    assert answer.status == 200
    table = pa.ipc.open_stream(answer.body).read_all()
    rows = await sums(filled, group_by=group)
    for name in ("duration", "calls", "cost"):
        assert table[name].to_pylist() == [row[name] for row in rows]


async def test_a_repeat_is_counted_once_and_another_content_is_refused(filled: Server) -> None:
    before = await sums(filled)
    record = {
        "agent_id": "bull",
        "id": "u-1",
        "timestamp": (NOON + timedelta(hours=13)).isoformat(),
    }
    record |= {**CALL, "model": "house-llm", "provider": "ours", "tool_calls": 2}
    headers = await filled.key("publish", name="sender")
    for change, status in (({}, 200), ({"input_tokens": 7}, 409)):
        async with filled.request(
            "POST", "/api/usage", headers=headers, json={**record, **change}
        ) as response:
            assert response.status == status, await response.text()
    assert await sums(filled) == before


async def test_spans_count_until_their_signal_or_decision_states_its_own_usage(
    either: Server,
) -> None:
    feed = either.feed
    span = {
        **CALL, "id": "span-1", "agent_id": "bull", "cycle_id": "c-1", "timestamp": NOON,

    }  # fmt: skip
    for _ in range(2):
        assert await feed.record_spans([dict(span)]) == []
    assert sum(row["input_tokens"] for row in await sums(either)) == 1000
    signal = {"symbol": "AAPL", "direction": "buy", "timestamp": NOON, "cycle_id": "c-1"}
    await feed.record_signal("bull", {**signal, "usage": [stated("0.10", input_tokens=900)]})
    assert sum(row["input_tokens"] for row in await sums(either)) == 900
    assert await feed.record_spans([{**span, "id": "span-2"}]) == []  # after its signal
    assert sum(row["input_tokens"] for row in await sums(either)) == 900
    assert [float(row["cost"]) for row in await sums(either)] == [0.1]


async def test_a_decision_shows_what_its_linked_spans_cost(either: Server) -> None:
    feed = either.feed
    span = {
        **CALL, "id": "span-1", "agent_id": "manager", "cycle_id": "c-1", "timestamp": NOON,
 "model": "house-llm",
    }  # fmt: skip
    await feed.record_spans([span])
    await feed.record_decision({"id": "d-1", "agent_id": "manager", "cycle_id": "c-1"})
    await feed.record_usage({**stated("0.5"), "agent_id": "manager", "decision_id": "d-1"})
    decision = await either.json("/api/decisions/d-1", await either.key(), expand="cost")
    assert decision["cost"] == {
        "totals": [{"currency": "USD", "cost": "0.5"}], "calls": 2, "unpriced_calls": 1,
    }  # fmt: skip


async def test_prices_come_from_the_table_and_unknown_models_have_none(either: Server) -> None:
    pytest.importorskip("genai_prices")
    pricing.cost_of_entry({"model": "x", "input_tokens": 1}, NOON)
    for number, model in enumerate(("gpt-4o", "nonesuch-9")):
        await either.feed.record_usage({**CALL, "model": model, "agent_id": f"a-{number}"})
    known, unknown = await sums(either)
    assert (known["currency"], float(known["cost"])) == ("USD", 0.0035)
    assert (unknown["currency"], unknown["cost"]) == (None, None)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"input_tokens": -1}, "/input_tokens"),
        ({"cost": "1"}, "/currency"),
        ({"cached_tokens": 2000}, "/cached_tokens"),
        ({"agent_id": None}, "/agent_id"),
        ({"timestamp": "2999-01-01T00:00:00Z"}, "/timestamp"),
        ({"calls": 0}, "/calls"),
    ],
    ids=["negative", "no currency", "more cached than sent", "nobody", "future", "no call"],
)
async def test_bad_usage_is_refused(server: Server, change: dict[str, Any], pointer: str) -> None:
    headers = await server.key("publish")
    body = {**CALL, "agent_id": "bull", **change}
    async with server.request("POST", "/api/usage", headers=headers, json=body) as response:
        problem = await response.json()
    assert response.status == 422
    assert pointer in [error["pointer"] for error in problem["errors"]]


async def test_pages_of_groups(either: Server) -> None:
    for number in range(7):
        await either.feed.record_usage({**stated("1"), "agent_id": f"a-{number}"})
    headers = await either.key()
    seen, cursor = [], ""
    while cursor is not None:
        params = {"limit": "3", "cursor": cursor}
        async with either.request("GET", "/api/usage", headers=headers, params=params) as response:
            seen += [row["agent_id"] for row in await response.json()]
            cursor = response.headers.get("X-Next-Cursor")
    assert seen == [f"a-{number}" for number in range(7)]
