"""Alertmanager's and Grafana's messages, friendly and hostile."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from alphapulse_api.http.receivers.severities import severity_of
from tests.asking import Answer, ask, places, problem
from tests.conftest import Server
from tests.socket_client import connect
from tests.webhooks import AGAIN, RESOLVED, alertmanager, grafana

ALERTMANAGER = "/webhooks/alertmanager"
GRAFANA = "/webhooks/grafana"


async def _send(server: Server, path: str, message: Any) -> Answer:
    return await ask(server, "POST", path, await server.key("publish"), json=message)


async def _alert(server: Server, id_: str = "f1") -> dict[str, Any]:
    alert: dict[str, Any] = await server.json(f"/api/alerts/{id_}", await server.key())
    return alert


async def test_alertmanager_raises_resolves_and_raises_again(server: Server) -> None:
    answer = await _send(server, ALERTMANAGER, alertmanager({}))
    assert (answer.status, answer.json) == (200, {"accepted": 1})
    alert = await _alert(server)
    assert (alert["title"], alert["severity"], alert["rule_id"], alert["source"]) == (
        "Drawdown above 10 %", "critical", "Drawdown", "alertmanager",
    )  # fmt: skip
    assert (alert["status"], alert["created_at"]) == ("active", "2026-01-01T10:00:00.123456Z")
    assert alert["metadata"]["labels"]["desk"] == "crypto"
    await _send(server, ALERTMANAGER, alertmanager(RESOLVED))
    alert = await _alert(server)
    assert (alert["status"], alert["resolved_at"]) == ("resolved", "2026-01-01T11:00:00.000000Z")
    await _send(server, ALERTMANAGER, alertmanager(AGAIN))
    alert = await _alert(server)
    assert (alert["status"], alert["resolved_at"]) == ("active", None)
    assert alert["created_at"] == "2026-01-01T12:00:00.000000Z"


async def test_sockets_see_each_change_once(server: Server) -> None:
    async with connect(server, await server.key()) as socket:
        await socket.ask(type="subscribe", channels=["alerts"])
        for alert in ({}, {}, RESOLVED, {}, AGAIN):
            await _send(server, ALERTMANAGER, alertmanager(alert))
        await server.feed.raise_alert({"id": "last", "title": "last"})
        states = []
        while (data := (await socket.receive("alert"))["data"])["id"] != "last":
            states.append((data["status"], data["created_at"][11:13]))
    assert states == [("active", "10"), ("resolved", "10"), ("active", "12")]


async def test_grafanas_documented_message(server: Server) -> None:
    message = grafana()
    assert (await _send(server, GRAFANA, message)).status == 200
    alert = await _alert(server, "c6eadffa33fcdf37")
    assert alert["title"] == "This alert was triggered for zone us-1"
    assert alert["message"] == "The system has high memory usage"
    assert (alert["severity"], alert["source"]) == ("warning", "grafana")
    assert alert["created_at"] == "2021-10-12T07:51:03.157076Z"
    assert alert["metadata"]["values"] == {"B": 44.23943737541908, "C": 1}
    assert alert["metadata"]["labels"]["zone"] == "us-1"
    assert alert["metadata"]["annotations"]["runbook_url"].endswith("/1234")
    assert "silenceURL" in alert["metadata"]
    assert "panelURL" not in alert["metadata"]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"fingerprint": "f/2"}, "/alerts/1/fingerprint"),
        ({"fingerprint": None}, "/alerts/1/fingerprint"),
        ({"startsAt": "yesterday"}, "/alerts/1/startsAt"),
        ({"startsAt": "2999-01-01T00:00:00Z"}, "/alerts/1/startsAt"),
        ({**RESOLVED, "endsAt": 1}, None),
        ({**RESOLVED, "endsAt": "never"}, "/alerts/1/endsAt"),
        ({"status": "gone"}, "/alerts/1/status"),
        ({"labels": []}, "/alerts/1/labels"),
        ({"labels": {"a": 1}}, "/alerts/1/labels"),
        ({"labels": {"a": "\x00"}}, "/alerts/1/labels"),
        ({"annotations": "x"}, "/alerts/1/annotations"),
        ({"labels": {str(n): "x" * 4000 for n in range(20)}}, "/alerts/1/labels"),
    ],
)
async def test_one_bad_alert_refuses_the_whole_message(
    server: Server, change: dict[str, Any], place: str | None
) -> None:
    answer = await _send(server, ALERTMANAGER, alertmanager({}, {"fingerprint": "f2", **change}))
    stored = await server.json("/api/alerts", await server.key())
    if place is None:
        assert (answer.status, len(stored)) == (200, 2)
        return
    problem(answer, 422)
    assert places(answer) == [place]
    assert stored == []


@pytest.mark.parametrize(
    ("message", "place"),
    [
        ({}, "/alerts"),
        ({"alerts": None}, "/alerts"),
        ({"alerts": [1]}, "/alerts/0"),
        ({"alerts": [{}] * 1001}, "/alerts"),
        ([], ""),
    ],
)
async def test_what_is_no_message_is_refused(server: Server, message: Any, place: str) -> None:
    answer = await _send(server, ALERTMANAGER, message)
    problem(answer, 422)
    assert places(answer) == [place]


async def test_no_alerts_are_a_success(server: Server) -> None:
    assert (await _send(server, ALERTMANAGER, alertmanager())).json == {"accepted": 0}


async def test_long_texts_are_cut_and_missing_ones_replaced(server: Server) -> None:
    long = {"summary": "s" * 5000, "description": "d" * 5000}
    bare = {"fingerprint": "f2", "labels": None, "annotations": {}}
    await _send(server, ALERTMANAGER, alertmanager({"annotations": long}, bare))
    alert = await _alert(server)
    assert (len(alert["title"]), alert["title"][-1]) == (256, "…")
    assert len(alert["message"]) == 4096
    assert ((await _alert(server, "f2"))["title"], alert["severity"]) == ("Alert", "critical")


@pytest.mark.parametrize("login", ["bearer", "basic", "header"])
async def test_a_key_is_taken_as_each_sender_sends_it(server: Server, login: str) -> None:
    key = (await server.key("publish"))["X-API-Key"]
    headers = {
        "bearer": {"Authorization": f"Bearer {key}"},
        "basic": {"Authorization": aiohttp.encode_basic_auth("any", key)},
        "header": {"X-API-Key": key},
    }[login]
    answer = await ask(server, "POST", GRAFANA, headers, json=grafana())
    assert answer.status == 200, answer.body


async def test_a_key_that_only_reads_is_refused(server: Server) -> None:
    problem(await ask(server, "POST", GRAFANA, await server.key(), json=grafana()), 403)
    problem(await ask(server, "POST", GRAFANA, json=grafana()), 401)
    assert (await server.json("/api/alerts", await server.key())) == []


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("page", "critical"), ("CRITICAL", "critical"), (" P1 ", "critical"), ("high", "error"),
        ("warn", "warning"), ("none", "info"), ("purple", "warning"), (None, "warning"),
    ],
)  # fmt: skip
def test_severities(word: str | None, severity: str) -> None:
    assert severity_of(word) == severity
