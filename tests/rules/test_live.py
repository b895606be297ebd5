"""Rules as a server evaluates them: fired and recovered by what is written, on both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alphapulse_api.config import DatabaseConfig
from alphapulse_api.rules.rule import Rule
from tests.conftest import Serve, Server
from tests.rules.ground import alerts, point, post, rule_in_state
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
    shown = await rule_in_state(either, admin, "firing")
    assert shown["firing"] == 1
    assert [group["alert_id"] for group in shown["groups"]] == [alert["id"]]
    await either.feed.record_metrics([point(9, desk="equity")])
    await until(lambda: alerts(either, admin, status="resolved"))
    await rule_in_state(either, admin, "ok")
    await either.feed.record_metrics([point(11, desk="equity")])
    await until(lambda: alerts(either, admin, status="active"))
    assert len(await alerts(either, admin)) == 2


async def test_a_rule_that_fails_says_so_and_stops_no_other(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await server.login()
    matches = Rule.matches

    def failing(rule: Rule, labels: Any) -> bool:
        if rule.id == "broken":
            raise ZeroDivisionError
        return matches(rule, labels)

    monkeypatch.setattr(Rule, "matches", failing)
    await post(server, "/api/rules", {**RULE, "id": "broken", "title": "t"}, admin)
    await post(server, "/api/rules", {**RULE, "title": "t"}, admin)
    await server.feed.record_metrics([point(12)])
    await until(lambda: alerts(server, admin))
    broken = await rule_in_state(server, admin, "error", "broken")
    assert "ZeroDivisionError" in broken["error"]
    assert [alert["rule_id"] for alert in await alerts(server, admin)] == ["drawdown"]
    await server.feed.record_metrics([point(1)])
    await until(lambda: alerts(server, admin, status="resolved"))


async def test_a_restart_neither_fires_twice_nor_forgets(serve: Serve, tmp_path: Path) -> None:
    database = DatabaseConfig(url=f"sqlite:///{tmp_path}/rules.db")
    first = await serve(database=database)
    admin = await first.login()
    await post(first, "/api/rules", {**RULE, "title": "t"}, admin)
    await first.feed.record_metrics([point(12)])
    await until(lambda: alerts(first, admin))
    await first.dashboard.__aexit__(None, None, None)
    second = await serve(database=database)
    admin = await second.login()
    await second.feed.record_metrics([point(13)])
    await second.feed.record_metrics([point(12, name="other")])
    await second.feed.record_metrics([point(2)])
    await until(lambda: alerts(second, admin, status="resolved"))
    (alert,) = await alerts(second, admin)
    assert alert["metric_value"] == 12


async def test_rules_of_the_configuration_cannot_be_changed_in_the_api(serve: Serve) -> None:
    server = await serve(rules=({**RULE, "title": "t"},))
    admin = await server.login()
    shown = await server.json("/api/rules/drawdown", admin)
    assert shown["origin"] == "config"
    for method, body in (("PUT", RULE), ("DELETE", None)):
        async with server.request(
            method, "/api/rules/drawdown", json=body, headers=admin
        ) as response:
            assert response.status == 409
            assert "configuration" in (await response.json())["detail"]
    await server.feed.record_metrics([point(12)])
    await until(lambda: alerts(server, admin))
