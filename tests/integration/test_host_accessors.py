"""A host's own accessors, with just the names and signatures that the contract shows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.asking import ask, places, problem
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


async def test_what_they_do_not_offer_is_not_allowed(serve: Serve) -> None:
    server = await serve({"alerts": Alerts()})
    caller = await server.key("publish")
    answer = await ask(server, "POST", "/api/alerts", caller, json={"title": "t"})
    assert "add_alert" in problem(answer, 405)["detail"]
    assert answer.headers["Allow"] == "GET, HEAD"
