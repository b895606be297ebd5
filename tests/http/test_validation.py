"""What a caller sees of faults in a query or a body: each has its place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.asking import TRADE, ask, places, problem
from tests.conftest import Server
from tests.http.test_errors import JSON


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ["/symbol", "/side", "/quantity", "/price"]),
        ({**TRADE, "side": "hold"}, ["/side"]),
        ({**TRADE, "sidee": "buy"}, ["/sidee"]),
        ({**TRADE, "a/b~c": 1}, ["/a~1b~0c"]),
        ({**TRADE, "quantity": 0, "price": "x"}, ["/quantity", "/price"]),
        ({**TRADE, "quantity": True}, ["/quantity"]),
        ({**TRADE, "quantity": float("nan")}, ["/quantity"]),
        ({**TRADE, "id": "a b"}, ["/id"]),
        ({**TRADE, "id": ".."}, ["/id"]),
        ({**TRADE, "id": "a{b}"}, ["/id"]),
        ({**TRADE, "symbol": "A\x00"}, ["/symbol"]),
        ({**TRADE, "executed_at": "2026-01-01T00:00:00"}, ["/executed_at"]),
        ([TRADE, {**TRADE, "side": "up"}, TRADE], ["/1/side"]),
        ([TRADE, 7], ["/1"]),
        ([TRADE] * 10_001, [""]),
    ],
)
async def test_a_422_points_at_every_fault_in_the_body(
    server: Server, body: Any, expected: list[str]
) -> None:
    caller = await server.key("publish")
    answer = await ask(server, "POST", "/api/trades", caller, json=body)
    assert sorted(places(answer)) == sorted(expected)
    assert await server.json("/api/trades", caller) == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/trades?sybmol=A", ["sybmol"]),
        ("/api/trades?limit=0&side=up&x=1", ["limit", "side", "x"]),
        ("/api/trades?limit=10001", ["limit"]),
        ("/api/trades?limit=١", ["limit"]),
        ("/api/trades?limit=5&limit=6", ["limit"]),
        ("/api/trades?cursor=nonsense", ["cursor"]),
        ("/api/trades/x?limit=1", ["limit"]),
        ("/api/me?x=", ["x"]),
        ("/api/alerts?severity=info,loud", ["severity"]),
        ("/api/alerts?acknowledged=maybe", ["acknowledged"]),
        ("/api/metrics/risk?label=novalue", ["label"]),
        ("/api/metrics/risk?aggregation=average", ["aggregation"]),
        ("/api/metrics/risk?interval=7x", ["interval"]),
        ("/api/portfolio?include_history=2", ["include_history"]),
    ],
)
async def test_a_422_names_every_fault_in_the_query(
    server: Server, path: str, expected: list[str]
) -> None:
    assert sorted(places(await ask(server, "GET", path, await server.key()))) == expected


async def test_writes_take_no_query(server: Server) -> None:
    caller = await server.key("publish")
    answer = await ask(server, "POST", "/api/trades?dry_run=true", caller, json=TRADE)
    assert places(answer) == ["dry_run"]
    assert await server.json("/api/trades", caller) == []


async def test_numbers_beyond_all_measure_are_refused_and_not_computed(server: Server) -> None:
    caller = await server.key("publish")
    for number in ("1e999999", "1e99999999", "-1e999999", "1e-99999999", "1e9999999999999999999"):
        body = f'{{"symbol":"A","side":"buy","price":1,"quantity":{number}}}'
        answer = await ask(server, "POST", "/api/trades", caller, data=body, headers=JSON)
        assert places(answer) == ["/quantity"]
        body = f'{{"metric_type":"risk","name":"x","value":1,"timestamp":{number}}}'
        answer = await ask(server, "POST", "/api/metrics", caller, data=body, headers=JSON)
        assert answer.status in (201, 422)  # next to nothing after 1970 is a time


async def test_too_many_buckets_come_with_an_interval_that_would_do(server: Server) -> None:
    caller = await server.key()
    end = datetime.now(UTC)
    query = {"start_time": (end - timedelta(days=30)).isoformat(), "interval": "1s"}
    answer = await ask(server, "GET", "/api/metrics/risk", caller, params=query)
    query["interval"] = problem(answer, 422)["suggested_interval"]
    assert (await ask(server, "GET", "/api/metrics/risk", caller, params=query)).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api/trades?side=BUY&status=Filled&sort=ASC&format=CSV",
        "/api/trades/export?format=NDJSON",
        "/api/alerts?severity=Info,ERROR",
        "/api/metrics/risk?aggregation=Mean,Max&aggregation=P95",
    ],
)
async def test_words_of_closed_lists_are_taken_in_any_case(server: Server, path: str) -> None:
    caller = await server.key()
    assert (await ask(server, "GET", path, caller)).status == 200
