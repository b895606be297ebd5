"""Read, change, write back: what only the server sets is ignored in a request, null is left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.asking import ALERT, PORTFOLIO, SAMPLE, SIGNAL, TRADE, ask, places
from tests.conftest import Server

RESOURCES = [
    ("POST", "/api/alerts", "/api/alerts/r1", {**ALERT, "id": "r1"}),
    ("POST", "/api/trades", "/api/trades/r1", {**TRADE, "id": "r1", "status": "open"}),
    ("PUT", "/api/portfolio", "/api/portfolio?include_history=true", PORTFOLIO),
    ("PUT", "/api/agents/m1", "/api/agents/m1", {"agent_type": "momentum", "metrics": {"a": 1.0}}),
    ("POST", "/api/agents/m1/signals", "/api/agents/m1/signals", {**SIGNAL, "id": "r1"}),
    ("POST", "/api/system", "/api/system", SAMPLE),
]
CHANGES = {"/api/trades": {"status": "filled"}, "/api/system": {"status": "error"},
           "/api/portfolio": {"cash": "1.00"}, "/api/agents/m1": {"state": "stopped"}}  # fmt: skip


def one(answer: Any) -> dict[str, Any]:
    return answer[0] if isinstance(answer, list) else answer  # type: ignore[no-any-return]


@pytest.mark.parametrize(("method", "path", "read", "record"), RESOURCES)
async def test_what_was_read_can_be_changed_and_written_back(
    server: Server, method: str, path: str, read: str, record: dict[str, Any]
) -> None:
    caller = await server.login()
    await ask(server, method, path, caller, json=record)
    if path == "/api/alerts":
        await ask(server, "POST", "/api/alerts/r1/acknowledge", caller)
    query = {"component": "feed"} if path == "/api/system" else {}
    known = one(await server.json(read, caller, **query))
    answer = await ask(server, method, path, caller, json=known)
    assert answer.status == 200, answer.body
    assert (
        one(await server.json(read, caller, **query)).items()
        >= {name: value for name, value in known.items() if name != "updated_at"}.items()
    )
    change = CHANGES.get(path, {})
    answer = await ask(server, method, path, caller, json={**known, **change})
    assert answer.status == 200, answer.body
    assert answer.json.items() >= change.items()
    answer = await ask(server, method, path, caller, json={**known, "sharp": 1})
    assert places(answer) == ["/sharp"]


async def test_the_feed_takes_back_what_it_returned(server: Server) -> None:
    feed = server.feed
    alert = await feed.raise_alert({**ALERT, "id": "r1"})
    assert await feed.raise_alert({**alert, "status": "resolved"}) == alert
    portfolio = await feed.update_portfolio(PORTFOLIO)
    assert (await feed.update_portfolio({**portfolio, "cash": "1"}))["cash"] == 1
    agent = await feed.update_agent("m1", {"agent_type": "momentum"})
    assert (await feed.update_agent("m1", {**agent, "state": "error"}))["state"] == "error"
    for give in (feed.record_trade, feed.report_system):
        record = await give(TRADE if give == feed.record_trade else SAMPLE)
        assert await give(record) == record
    signal = await feed.record_signal("m1", SIGNAL)
    assert await feed.record_signal("m1", signal) == signal


@pytest.mark.parametrize("form", ["ndjson", "csv"])
async def test_an_export_can_be_sent_back(server: Server, form: str) -> None:
    caller = await server.login()
    await server.feed.record_trade({**TRADE, "id": "r1", "status": "open"})
    await server.feed.record_trade({**TRADE, "id": "r1"})
    exported = await ask(server, "GET", f"/api/trades?format={form}", caller)
    headers = {"Content-Type": exported.headers["Content-Type"]}
    answer = await ask(server, "POST", "/api/trades", caller, data=exported.body, headers=headers)
    assert (answer.status, answer.json) == (201, {"accepted": 1})


async def test_a_body_of_null_is_left_out_where_a_body_may_be(server: Server) -> None:
    await server.feed.raise_alert({**ALERT, "id": "r1"})
    caller, headers = await server.login(), {"Content-Type": "application/json"}
    for action, state in (("acknowledge", "acknowledged"), ("resolve", "resolved")):
        path = f"/api/alerts/r1/{action}"
        answer = await ask(server, "POST", path, caller, data="null", headers=headers)
        assert (answer.status, answer.json["status"]) == (200, state)
    answer = await ask(server, "POST", "/api/alerts", caller, data="null", headers=headers)
    assert places(answer) == [""]


async def test_null_leaves_an_optional_field_out(server: Server) -> None:
    caller = await server.login()
    for method, path, record, names in (
        ("POST", "/api/alerts", ALERT, ("id", "created_at", "severity", "tags", "metadata")),
        ("POST", "/api/trades", TRADE, ("id", "executed_at", "status", "order_type", "metadata")),
        ("PUT", "/api/portfolio", PORTFOLIO, ("as_of", "currency", "positions", "performance")),
        ("PUT", "/api/agents/m1", {}, ("agent_type", "state", "metrics")),
        ("POST", "/api/agents/m1/signals", SIGNAL, ("id", "agent_id", "timestamp", "metadata")),
        ("POST", "/api/system", SAMPLE, ("timestamp", "metrics")),
    ):
        body = json.dumps({**record, **dict.fromkeys(names)})
        headers = {"Content-Type": "application/json"}
        answer = await ask(server, method, path, caller, data=body, headers=headers)
        assert answer.status in (200, 201), answer.body
        assert all(answer.json[name] is not None for name in names), answer.json
