"""A host's own accessors, with just the names and signatures that the contract shows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.asking import (
    ALERT,
    PORTFOLIO,
    SAMPLE,
    SIGNAL,
    TRADE,
    ask,
    places,
    problem,
)
from tests.conftest import Serve

POINT = {"metric_type": "risk", "name": "a", "timestamp": "2026-01-01T00:00:00Z", "value": 1}


class Metrics:
    async def get_metrics(
        self, metric_type: str, start_time: datetime, end_time: datetime, aggregation: Any = None
    ) -> list[dict[str, Any]]:
        assert start_time < end_time
        return [{**POINT, "labels": {}}]


class Alerts:
    def __init__(self) -> None:
        self.alert = {"id": "x", "title": "t", "status": "active", "acknowledged": False}

    async def get_alerts(self) -> list[dict[str, Any]]:
        return [self.alert]

    async def acknowledge_alert(
        self, alert_id: str, user: str, comments: str | None = None
    ) -> dict[str, Any]:
        self.alert = {**self.alert, "status": "acknowledged", "acknowledged_by": user}
        return self.alert


async def test_they_answer_what_their_signatures_take(serve: Serve) -> None:
    server = await serve({"metrics": Metrics()})
    caller = await server.key()
    assert await server.json("/api/metrics/risk", caller) == [{**POINT, "labels": {}}]
    assert len(await server.json("/api/metrics/risk", caller, aggregation="avg")) == 1
    exported = await ask(server, "GET", "/api/metrics/risk?format=csv", caller)
    assert exported.body.count(b"\n") == 2


@pytest.mark.parametrize("parameter", ["limit=5", "interval=5m", "name=a", "label=a:b"])
async def test_a_parameter_they_do_not_know_is_named(serve: Serve, parameter: str) -> None:
    server = await serve({"metrics": Metrics()})
    answer = await ask(server, "GET", f"/api/metrics/risk?{parameter}", await server.key())
    (place,) = places(answer)
    assert parameter.startswith(place.removesuffix("s"))


async def test_an_alert_is_acknowledged_where_it_lives(serve: Serve) -> None:
    server = await serve({"alerts": Alerts()})
    caller = await server.login("operator")
    answer = await ask(server, "POST", "/api/alerts/x/acknowledge", caller)
    assert answer.json["acknowledged_by"] == "operator"
    (alert,) = await server.json("/api/alerts", caller)
    assert alert["status"] == "acknowledged"


class Nothing:
    """A host's accessor that has not been written yet."""


@pytest.mark.parametrize(
    ("resource", "method", "path", "missing"),
    [
        ("metrics", "GET", "/api/metrics", "list_series"),
        ("metrics", "GET", "/api/metrics/risk", "get_metrics"),
        ("metrics", "GET", "/api/metrics/risk/latest", "get_latest_metrics"),
        ("metrics", "POST", "/api/metrics", "add_points"),
        ("portfolio", "GET", "/api/portfolio", "get_portfolio"),
        ("portfolio", "GET", "/api/portfolio/history/export", "get_portfolio"),
        ("portfolio", "PUT", "/api/portfolio", "set_portfolio"),
        ("alerts", "GET", "/api/alerts", "get_alerts"),
        ("alerts", "GET", "/api/alerts/x", "get_alert"),
        ("alerts", "POST", "/api/alerts", "add_alert"),
        ("alerts", "POST", "/api/alerts/x/acknowledge", "acknowledge_alert"),
        ("alerts", "POST", "/api/alerts/x/resolve", "resolve_alert"),
        ("trades", "GET", "/api/trades", "get_trades"),
        ("trades", "GET", "/api/trades?format=csv", "get_trades"),
        ("trades", "GET", "/api/trades/x", "get_trade"),
        ("trades", "POST", "/api/trades", "add_trades"),
        ("agents", "GET", "/api/agents", "get_agents"),
        ("agents", "GET", "/api/agents/x", "get_agents"),
        ("agents", "GET", "/api/agents/x/signals", "get_signals"),
        ("agents", "PUT", "/api/agents/x", "set_agent"),
        ("agents", "POST", "/api/agents/x/signals", "add_signal"),
        ("system", "GET", "/api/system", "get_system"),
        ("system", "POST", "/api/system", "add_sample"),
    ],
)
async def test_a_method_that_is_missing_is_a_501_that_names_it(
    serve: Serve, resource: str, method: str, path: str, missing: str
) -> None:
    server = await serve({resource: Nothing()})
    caller = await server.login("admin")
    bodies: dict[str, Any] = {
        "/api/metrics": POINT, "/api/trades": TRADE, "/api/alerts": ALERT,
        "/api/portfolio": PORTFOLIO, "/api/system": SAMPLE, "/api/agents/x/signals": SIGNAL,
    }  # fmt: skip
    body = {} if method == "GET" else {"json": bodies.get(path, {})}
    answer = await ask(server, method, path, caller, **body)
    detail = problem(answer, 501)["detail"]
    assert f"{resource} accessor has no method {missing};" in detail
    assert "Allow" not in answer.headers


async def test_one_agent_is_found_among_those_that_a_host_lists(serve: Serve) -> None:
    class Agents:
        async def get_agents(self) -> list[dict[str, Any]]:
            return [{"agent_id": f"m{n}", "signals": []} for n in range(3)]

    server = await serve({"agents": Agents()})
    caller = await server.login()
    assert (await server.json("/api/agents/m1", caller))["agent_id"] == "m1"
    problem(await ask(server, "GET", "/api/agents/m9", caller), 404)


class Trades:
    """Stores trades, and knows nothing of the options of ours."""

    def __init__(self) -> None:
        self.given: list[dict[str, Any]] = []

    async def add_trades(self, trades: list[dict[str, Any]]) -> list[tuple[dict[str, Any], bool]]:
        self.given += trades
        return [(trade, True) for trade in trades]


async def test_they_are_given_records_with_the_contracts_fields_alone(serve: Serve) -> None:
    trades = Trades()
    server = await serve({"trades": trades})
    await server.feed.record_trade(TRADE)
    await server.feed.record_trades([TRADE])
    document = await server.json("/openapi.json", {})
    fields = document["components"]["schemas"]["Trade"]["properties"].keys()
    assert all(trade.keys() <= fields for trade in trades.given)
    assert len(trades.given) == 2
