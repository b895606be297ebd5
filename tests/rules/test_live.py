"""Rules as a server evaluates them: fired and recovered by what is written, on both engines."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock

import pytest

from alphapulse_api.rules.rule import Rule
from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.tables.rules import RuleDataAccessor
from tests.conftest import Serve, Server
from tests.rules.ground import alerts, point, post, rule_in_state, until_alerts
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

    async def raised(**query: Any) -> list[Any]:
        found = await alerts(server, admin, **query)
        return [alert for alert in found if alert["rule_id"] == "drawdown"]

    await server.feed.record_metrics([point(12)])
    await until(raised)
    # Both rules are evaluated now. Matching is needed only for a series that is new.
    await server.feed.record_metrics([point(12, desk="new")])
    broken = await rule_in_state(server, admin, "error", "broken")
    assert "ZeroDivisionError" in broken["error"]
    await server.feed.record_metrics([point(1), point(1, desk="new")])

    async def resolved() -> bool:
        return len(await raised(status="resolved")) == 2

    await until(resolved)


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


async def test_rules_are_not_read_again_when_states_change(
    either: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await either.login()
    await post(either, "/api/rules", {**RULE, "title": "t"}, admin)
    await either.feed.record_metrics([point(12)])
    await until_alerts(either, admin, 1)
    read = AsyncMock(wraps=RuleDataAccessor.stored)
    monkeypatch.setattr(RuleDataAccessor, "stored", read)
    await either.feed.record_metrics([point(1)])
    await until_alerts(either, admin, 1, status="resolved")
    await either.feed.record_metrics([point(12)])
    await until_alerts(either, admin, 2)
    assert not read.called


async def test_a_rule_that_cannot_be_read_is_read_once(
    either: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await either.login()
    await post(either, "/api/rules", {**RULE, "id": "broken", "title": "t"}, admin)

    async def spoil(transaction: Transaction) -> None:
        await transaction.execute(
            "UPDATE rules SET definition = $1, revision = revision + 1 WHERE id = $2",
            '{"name": "of a later release"}', "broken",
        )  # fmt: skip

    await either.backend.accessors.engine.write(spoil)
    # Making the other rule lets the evaluator read them all.
    await post(either, "/api/rules", {**RULE, "title": "t"}, admin)
    await either.feed.record_metrics([point(12)])
    await until_alerts(either, admin, 1)
    rows = await either.backend.accessors.engine.fetch(
        "SELECT error FROM rules WHERE id = $1", "broken"
    )
    assert "KeyError" in rows[0][0]
    read = AsyncMock(wraps=RuleDataAccessor.stored)
    monkeypatch.setattr(RuleDataAccessor, "stored", read)
    await either.feed.record_metrics([point(1)])
    await until_alerts(either, admin, 1, status="resolved")
    assert not read.called
