"""Histories imported over HTTP: stored, told by one `resync`, and the same however often sent."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alphapulse_api.http import ingest
from tests.asking import ALERT, POINT, SAMPLE, SIGNAL, TRADE, Answer, ask, places, problem
from tests.conftest import Server
from tests.socket_client import connect

START = datetime(2024, 1, 1, tzinfo=UTC)
NDJSON, CSV = "application/x-ndjson", "text/csv"
IMPORTS: list[tuple[str, str, str, str | None, dict[str, Any]]] = [
    ("/api/trades", "/api/trades", "executed_at", "trades", TRADE),
    ("/api/alerts", "/api/alerts", "created_at", "alerts", {**ALERT, "metadata": {"a": [1]}}),
    ("/api/metrics", "/api/metrics/risk", "timestamp", "metrics", {**POINT, "labels": {"a": "b"}}),
    ("/api/agents/m1/signals", "/api/agents/m1/signals", "timestamp", None, SIGNAL),
    ("/api/system", "/api/system", "timestamp", None, {**SAMPLE, "component": "db"}),
    ("/api/portfolio/history", "/api/portfolio/history", "timestamp", "portfolio",
     {"total_value": "10.50", "cash": "4"}),
]  # fmt: skip


def times(count: int) -> list[str]:
    return [(START + timedelta(minutes=n)).isoformat() for n in range(count)]


async def send(
    server: Server, path: str, caller: dict[str, str], body: bytes, kind: str = NDJSON
) -> Answer:
    headers = {"Content-Type": kind}
    return await ask(server, "POST", f"{path}/import", caller, data=body, headers=headers)


async def exported(server: Server, path: str, caller: dict[str, str], form: str = "csv") -> bytes:
    query = {"component": "db"} if path == "/api/system" else {}
    query["end_time"] = "2025-01-01T00:00:00Z"
    answer = await ask(server, "GET", f"{path}/export", caller, params={**query, "format": form})
    return answer.body


def lines(records: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


@pytest.mark.parametrize(("path", "read", "time", "channel", "record"), IMPORTS)
async def test_a_history_is_stored_once_and_told_by_one_resync(
    server: Server, monkeypatch: pytest.MonkeyPatch, path: str, read: str, time: str,
    channel: str | None, record: dict[str, Any],
) -> None:  # fmt: skip
    monkeypatch.setattr(ingest, "MAX_RECORDS", 4)
    monkeypatch.setattr(ingest, "MAX_BATCH", 4)
    caller = await server.login()
    body = lines([{**record, time: at} for at in times(8)])
    async with connect(server, caller) as client:
        await client.ask(type="subscribe", channels=["trades", "alerts", "metrics", "portfolio"])
        first = await send(server, path, caller, body)
        assert (first.status, first.json["accepted"], first.json["new"]) == (200, 8, 8)
        told = [m for m in await client.settled() if m["type"] != "portfolio"]
        assert [(m["type"], m["channel"]) for m in told] == (
            [("resync", channel)] if channel else []
        )
    before = await exported(server, read, caller)
    assert len(before.splitlines()) == 9
    again = await send(server, path, caller, body)
    assert again.json == {"accepted": 8, "new": 0}
    assert await exported(server, read, caller) == before


@pytest.mark.parametrize(("path", "read", "time", "channel", "record"), IMPORTS)
@pytest.mark.parametrize("form", ["csv", "ndjson"])
async def test_an_export_is_imported_as_it_is(
    server: Server, path: str, read: str, time: str, channel: str | None,
    record: dict[str, Any], form: str,
) -> None:  # fmt: skip
    caller = await server.login()
    await send(server, path, caller, lines([{**record, time: at} for at in times(3)]))
    file = await exported(server, read, caller, form)
    answer = await send(server, path, caller, file, CSV if form == "csv" else NDJSON)
    assert answer.json == {"accepted": 3, "new": 0}
    assert await exported(server, read, caller, form) == file


async def test_an_imported_alert_keeps_the_state_it_was_left_in(server: Server) -> None:
    caller = await server.login()
    at, later = times(2)
    ended = {"acknowledged_by": "ann", "acknowledged_at": later, "comments": "x"}
    for number, more in enumerate(({}, ended, {**ended, "resolved_at": later},
                                   {"resolved_at": later})):  # fmt: skip
        answer = await send(
            server, "/api/alerts", caller,
            lines([{**ALERT, "id": f"a{number}", "created_at": at, **more}]),
        )  # fmt: skip
        assert answer.status == 200, answer.body
    listed = await server.json("/api/alerts", caller)
    states = {a["id"]: (a["status"], a["acknowledged"], a["acknowledged_by"]) for a in listed}
    assert states == {
        "a0": ("active", False, None),
        "a1": ("acknowledged", True, "ann"),
        "a2": ("resolved", True, "ann"),
        "a3": ("resolved", False, None),
    }
    for wrong, place in (
        ({"status": "resolved"}, "resolved_at"),
        ({"status": "active", "resolved_at": later}, "resolved_at"),
        ({"status": "acknowledged"}, "acknowledged_at"),
        ({"comments": "why"}, "acknowledged_at"),
    ):
        body = lines([{**ALERT, "created_at": at, **wrong}])
        assert places(await send(server, "/api/alerts", caller, body)) == [f"/0/{place}"]


async def test_an_import_that_breaks_off_says_how_far_it_came_and_is_told(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "MAX_RECORDS", 4)
    caller = await server.login()
    records = [{**TRADE, "executed_at": at} for at in times(9)]
    records[6]["price"] = "much"
    async with connect(server, caller) as client:
        await client.ask(type="subscribe", channels=["trades"])
        refused = problem(await send(server, "/api/trades", caller, lines(records)), 422)
        assert refused["accepted"] == 4
        assert refused["errors"][0]["pointer"] == "/6/price"
        assert refused["errors"][0]["line"] == 7
        assert [m["type"] for m in await client.settled()] == ["resync"]
        del records[6]["price"], records[6]["executed_at"]
        answer = await send(server, "/api/trades", caller, lines(records[6:7]))
        assert sorted(places(answer)) == ["/0/executed_at", "/0/price"]
        assert await client.settled() == []
    assert len(await server.json("/api/trades", caller)) == 4


async def test_records_that_look_the_same_are_kept_apart_and_repeats_are_not(
    server: Server,
) -> None:
    caller = await server.login()
    body = lines([{**TRADE, "executed_at": times(1)[0]}] * 3)
    for new in (3, 0):
        assert (await send(server, "/api/trades", caller, body)).json["new"] == new
    body = lines([{**SIGNAL, "timestamp": times(1)[0]}])
    for agent in ("m1", "m2"):
        answer = await send(server, f"/api/agents/{agent}/signals", caller, body)
        assert answer.json == {"accepted": 1, "new": 1}


async def test_signals_of_another_agent_are_refused(server: Server) -> None:
    caller = await server.login()
    signals = [
        {**SIGNAL, "timestamp": at, "agent_id": who} for at, who in zip(times(2), "mn", strict=True)
    ]
    for path in ("/api/agents/m/signals", "/api/agents/m/signals/batch"):
        if path.endswith("batch"):
            answer = await ask(server, "POST", path, caller, json=signals)
        else:
            answer = await send(server, path, caller, lines(signals))
        assert places(answer) == ["/1/agent_id"]
    answer = await ask(
        server, "POST", "/api/agents/m/signals/batch?on_error=continue", caller, json=signals
    )
    assert [result["status"] for result in answer.json["results"]] == [201, 422]


async def test_the_currency_of_a_history_and_other_bodies(server: Server) -> None:
    caller = await server.login()
    body = lines([{"timestamp": times(1)[0], "total_value": 1}])
    answer = await ask(
        server, "POST", "/api/portfolio/history/import?currency=EUR", caller,
        data=body, headers={"Content-Type": NDJSON},
    )  # fmt: skip
    assert answer.json == {"accepted": 1, "new": 1}
    assert (await server.json("/api/portfolio", caller))["currency"] == "EUR"
    for kind in ("application/json", "text/plain"):
        refused = problem(await send(server, "/api/trades", caller, body, kind), 415)
        assert NDJSON in refused["detail"]


@pytest.mark.parametrize(
    ("path", "record", "other"),
    [
        ("/api/alerts/batch", ALERT, {"title": "another"}),
        ("/api/agents/m1/signals/batch", SIGNAL, {"direction": "sell"}),
        ("/api/system/batch", SAMPLE, None),
    ],
)
async def test_batches_report_on_each_record(
    server: Server, path: str, record: dict[str, Any], other: dict[str, Any] | None
) -> None:
    caller = await server.key("publish")
    key = {"timestamp": times(1)[0]} if other is None else {"id": "r1"}
    good = {**record, **key}
    bad = {**record, "sharp": 1}
    answer = await ask(server, "POST", path, caller, json=[good, bad])
    assert places(answer) == ["/1/sharp"]
    batch = [good, bad, good, *([{**good, **other}] if other else []), record]
    answer = await ask(server, "POST", f"{path}?on_error=continue", caller, json=batch)
    statuses = [result["status"] for result in answer.json["results"]]
    assert statuses == [201, 422, 200, *([409] if other else []), 201]
    assert answer.json["accepted"] == 3
    listed = await server.json(path.removesuffix("/batch"), caller, limit="10")
    assert len([row for row in listed if row.get("component", "feed") == "feed"]) == (
        2 if other else 1
    )
    if other:
        refused = await ask(server, "POST", path, caller, json=[record, {**good, **other}])
        assert problem(refused, 409)["errors"][0]["pointer"] == "/1/id"
        assert len(await server.json(path.removesuffix("/batch"), caller)) == 2


async def test_a_batch_of_alerts_is_published(server: Server) -> None:
    caller = await server.login()
    async with connect(server, caller) as client:
        await client.ask(type="subscribe", channels=["alerts"])
        await ask(server, "POST", "/api/alerts/batch", caller, json=[{**ALERT, "id": "a"}] * 2)
        (event,) = await client.settled()
        assert (event["type"], event["data"]["id"]) == ("alert", "a")
