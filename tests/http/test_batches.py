"""Batches: every record is answered by position, and bad ones need not hold back the good."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alphapulse_api.client import DashboardClient
from alphapulse_api.config import AuthConfig, DatabaseConfig
from alphapulse_api.domain.errors import Conflict
from alphapulse_api.schemas.fields import RESERVED_IDS
from tests.asking import ALERT, POINT, SIGNAL, TRADE, ask, places, problem
from tests.conftest import Serve, Server
from tests.socket_client import connect

CONTINUE = {"on_error": "continue"}


def _trade(number: int, **fields: Any) -> dict[str, Any]:
    return {**TRADE, "id": f"t{number}", **fields}


@pytest.fixture(params=["sqlite", "postgres"])
async def either(request: pytest.FixtureRequest, serve: Serve) -> Server:
    """A server on one engine after the other."""
    if request.param == "sqlite":
        return await serve()
    url = await request.getfixturevalue("postgres").copied()
    return await serve(database=DatabaseConfig(url=url), auth=AuthConfig(jwt_secret="s" * 32))


async def test_good_trades_are_stored_beside_bad_ones(either: Server) -> None:
    caller = await either.key("publish")
    await either.feed.record_trade(_trade(0))
    await either.feed.record_trade(_trade(1))
    batch = [
        _trade(0),
        _trade(1, price="1"),
        _trade(2, price="x", quantity=-1),
        _trade(3),
        7,
        _trade(3, price="2"),
        _trade(4, **{"k" * 1_000: 1}),
        {**TRADE, "symbol": "MSFT"},
    ]
    answer = await ask(either, "POST", "/api/trades/batch", caller, params=CONTINUE, json=batch)
    assert answer.status == 200
    content = answer.json
    assert (content["accepted"], content["refused"]) == (3, 5)
    results = content["results"]
    assert [result["status"] for result in results] == [200, 409, 422, 201, 422, 409, 422, 201]
    assert results[0] == {"status": 200, "id": "t0"}
    assert results[1]["error"].startswith("'t1' exists already, with another price")
    assert results[2]["error"].startswith("/")
    assert results[2]["error"].endswith("(and 1 more)")
    assert all(len(result.get("error", "")) <= 200 for result in results)
    stored = await either.json("/api/trades", caller)
    assert {trade["id"] for trade in stored} == {"t0", "t1", "t3", results[7]["id"]}
    assert {trade["price"] for trade in stored} == {TRADE["price"]}


async def test_good_points_are_stored_beside_bad_ones(either: Server) -> None:
    caller = await either.key("publish")
    batch = [POINT, {**POINT, "value": "x"}, {**POINT, "name": "cvar"}, None]
    answer = await ask(either, "POST", "/api/metrics/batch", caller, params=CONTINUE, json=batch)
    assert answer.json == {
        "accepted": 2,
        "refused": 2,
        "results": [
            {"status": 201},
            {"status": 422, "error": "/value: Not a number but text."},
            {"status": 201},
            {"status": 422, "error": "body: Not an object but null."},
        ],
    }
    points = await either.json("/api/metrics/risk", caller)
    assert {point["name"] for point in points} == {"var", "cvar"}


async def test_points_that_were_there_are_reported_as_such(either: Server) -> None:
    caller = await either.key("publish")
    at = "2026-01-31T12:00:0{}Z"

    async def statuses(*seconds: int, value: float = 1, **query: str) -> list[int]:
        points = [{**POINT, "timestamp": at.format(n), "value": value} for n in seconds]
        answer = await ask(either, "POST", "/api/metrics/batch", caller, json=points, params=query)
        assert answer.json["accepted"] == len(points)
        return [result["status"] for result in answer.json["results"]]

    assert await statuses(1, 3) == [201, 201]
    assert await statuses(1, 2, 3, 2) == [200, 201, 200, 200]
    assert await statuses(2, 4, value=2, on_error="continue") == [200, 201]
    body = "".join(
        json.dumps({**POINT, "timestamp": at.format(n), "value": 3}) + "\n" for n in (4, 5, 6, 6)
    )
    headers = {"Content-Type": "application/x-ndjson"}
    answer = await ask(either, "POST", "/api/metrics/import", caller, data=body, headers=headers)
    assert answer.json == {"accepted": 4, "new": 2}


async def test_a_bad_metric_type_is_refused_in_words(either: Server) -> None:
    caller = await either.key("publish")
    answer = await ask(
        either, "POST", "/api/metrics", caller, json={**POINT, "metric_type": "RISK"}
    )
    assert answer.json["errors"] == [
        {
            "pointer": "/metric_type",
            "detail": "Must be a lower-case letter, then up to 63 lower-case letters, digits or _.",
        }
    ]


@pytest.mark.parametrize("params", [{}, {"on_error": "stop"}])
async def test_by_default_all_are_stored_or_none(server: Server, params: Any) -> None:
    caller = await server.key("publish")
    url = "/api/trades/batch"
    bad = await ask(server, "POST", url, caller, params=params, json=[_trade(1), {"id": "x"}])
    assert "/1/symbol" in places(bad)
    await server.feed.record_trade(_trade(2))
    clash = [_trade(1), _trade(2, price="1")]
    answer = await ask(server, "POST", url, caller, params=params, json=clash)
    assert problem(answer, 409)["errors"][0]["pointer"] == "/1/id"
    assert [t["id"] for t in await server.json("/api/trades", caller)] == ["t2"]
    good = await ask(server, "POST", url, caller, params=params, json=[_trade(1), _trade(2)])
    assert good.json == {
        "accepted": 2,
        "refused": 0,
        "results": [{"status": 201, "id": "t1"}, {"status": 200, "id": "t2"}],
    }


@pytest.mark.parametrize("resource", ["trades", "metrics"])
async def test_a_batch_is_an_array_of_at_most_10_000(server: Server, resource: str) -> None:
    caller = await server.key("publish")
    url = f"/api/{resource}/batch"
    answer = await ask(server, "POST", url, caller, json={})
    assert problem(answer, 422)["detail"] == "body: The body must be an array of objects."
    answer = await ask(server, "POST", url, caller, params={"on_error": "maybe"}, json=[])
    assert places(answer) == ["on_error"]
    answer = await ask(server, "POST", url, caller, params=CONTINUE, json=[{}] * 10_001)
    assert "10000" in problem(answer, 422)["detail"]
    answer = await ask(server, "POST", url, caller, params=CONTINUE, json=[])
    assert answer.json == {"accepted": 0, "refused": 0, "results": []}
    answer = await ask(server, "POST", url, await server.key(), json=[])
    problem(answer, 403)


async def test_only_what_is_stored_is_published(server: Server) -> None:
    caller = await server.key("publish")
    await server.feed.record_trade(_trade(1))
    async with connect(server, caller) as client:
        await client.ask(type="subscribe", channels=["trades"])
        batch = [_trade(1, price="1"), _trade(2), {}]
        await ask(server, "POST", "/api/trades/batch", caller, params=CONTINUE, json=batch)
        await server.feed.record_trade(_trade(3))
        events = await client.receive_many(2, "trade")
    assert [event["data"]["id"] for event in events] == ["t2", "t3"]


async def test_the_feed_and_the_client_have_it_too(server: Server) -> None:
    batch = [_trade(1), _trade(1, price="1"), {}]
    said = await server.feed.record_trades_batch(batch, on_error="continue")
    assert [result["status"] for result in said["results"]] == [201, 409, 422]
    with pytest.raises(Conflict):
        await server.feed.record_trades_batch(batch[:2])
    key = (await server.key("publish"))["X-API-Key"]
    async with DashboardClient(server.url, api_key=key) as client:
        result = await client.record_trades_batch(batch, on_error="continue")
        assert [item["status"] for item in result["results"]] == [200, 409, 422]
        result = await client.record_metrics_batch([POINT, {}], on_error="continue")
        assert [item["status"] for item in result["results"]] == [201, 422]


@pytest.mark.parametrize("word", sorted(RESERVED_IDS))
async def test_steps_of_paths_are_no_ids(server: Server, word: str) -> None:
    caller = await server.key("publish")
    for path, record in (
        ("/api/trades", TRADE),
        ("/api/alerts", ALERT),
        ("/api/agents/a/signals", SIGNAL),
    ):
        answer = await ask(server, "POST", path, caller, json={**record, "id": word})
        assert places(answer) == ["/id"]


async def test_a_hosts_own_store_is_asked_record_by_record(serve: Serve) -> None:
    class Trades:
        def __init__(self) -> None:
            self.stored: dict[str, Any] = {}

        async def add_trades(self, trades: Any, *, one: bool = False) -> Any:
            for trade in trades:
                if self.stored.setdefault(trade["id"], trade)["price"] != trade["price"]:
                    raise Conflict("another price")
            return [(trade, True) for trade in trades]

    own = Trades()
    server = await serve({"trades": own})
    batch = [_trade(1), _trade(1, price="1"), _trade(2)]
    said = await server.feed.record_trades_batch(batch, on_error="continue")
    assert [result["status"] for result in said["results"]] == [201, 409, 201]
    assert list(own.stored) == ["t1", "t2"]
