"""Rules as a server evaluates them: fired and recovered by what is written, on both engines."""

from __future__ import annotations

from typing import Any

from tests.conftest import Server
from tests.waiting import until

RULE = {
    "id": "drawdown",
    "name": "Drawdown",
    "metric_type": "risk",
    "metric_name": "drawdown",
    "operator": ">",
    "threshold": 10,
    "severity": "critical",
    "title": "{name} of {labels.desk} is {value:.1f} %",
    "labels": {"team": "risk"},
}


def point(value: float | None, name: str = "drawdown", **labels: str) -> dict[str, Any]:
    return {"metric_type": "risk", "name": name, "value": value, "labels": labels}


async def post(server: Server, path: str, body: Any, headers: dict[str, str]) -> Any:
    async with server.request("POST", path, json=body, headers=headers) as response:
        assert response.status in (200, 201), await response.text()
        return await response.json()


async def alerts(server: Server, headers: dict[str, str], **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await server.json("/api/alerts", headers, source="rules", **query)
    return found


async def test_a_rule_fires_and_recovers(either: Server) -> None:
    admin = await either.login()
    made = await post(either, "/api/rules", RULE, admin)
    assert made["state"] == "ok"
    await either.feed.record_metrics([point(12.34, desk="equity"), point(3, desk="bonds")])
    await until(lambda: alerts(either, admin))
    (alert,) = await alerts(either, admin)
    assert alert["title"] == "Drawdown of equity is 12.3 %"
    assert alert["severity"] == "critical"
    assert alert["rule_id"] == "drawdown"
    assert (alert["metric_name"], alert["metric_value"]) == ("drawdown", 12.34)
    assert alert["threshold"] == 10
    assert alert["metadata"] == {"labels": {"desk": "equity", "team": "risk"}}
    shown = await either.json("/api/rules/drawdown", admin)
    assert (shown["state"], shown["firing"]) == ("firing", 1)
    assert [group["alert_id"] for group in shown["groups"]] == [alert["id"]]
    await either.feed.record_metrics([point(9, desk="equity")])
    await until(lambda: alerts(either, admin, status="resolved"))
    assert (await either.json("/api/rules/drawdown", admin))["state"] == "ok"
    await either.feed.record_metrics([point(11, desk="equity")])
    await until(lambda: alerts(either, admin, status="active"))
    assert len(await alerts(either, admin)) == 2
