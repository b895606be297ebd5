"""Alerts with a fingerprint, by every way in."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from alphapulse_api import Config, Dashboard
from alphapulse_api.client import DashboardClient
from tests.asking import ALERT, ask, places
from tests.conftest import Server
from tests.socket_client import connect

RAISED = {**ALERT, "fingerprint": "drawdown/m1"}


async def one_alert(server: Server, caller: dict[str, str]) -> dict[str, Any]:
    (alert,) = await server.json("/api/alerts", caller)
    return dict(alert)


async def test_every_way_in_counts_on_one_alert(either: Server) -> None:
    caller = await either.key("publish")
    first = await ask(either, "POST", "/api/alerts", caller, json=RAISED)
    assert (first.status, first.json["occurrences"]) == (201, 1)
    again = await ask(either, "POST", "/api/alerts", caller, json={**RAISED, "id": "x"})
    assert (again.status, again.json["id"]) == (200, first.json["id"])
    assert "Location" not in again.headers
    batch = await ask(either, "POST", "/api/alerts/batch", caller, json=[RAISED] * 3)
    assert [r["status"] for r in batch.json["results"]] == [200] * 3
    assert {r["id"] for r in batch.json["results"]} == {first.json["id"]}
    lenient = await ask(
        either, "POST", "/api/alerts/batch?on_error=continue", caller, json=[{}, RAISED, RAISED]
    )
    assert lenient.json["accepted"] == 2
    await either.feed.raise_alert(RAISED)
    await either.feed.raise_alerts_batch([RAISED, {**RAISED, "severity": "critical"}])
    async with DashboardClient(either.url, api_key=caller["X-API-Key"]) as client:
        raised = await client.raise_alert(RAISED)
        assert raised["occurrences"] == 11
        assert raised["last_seen_at"] is not None
    alert = await one_alert(either, caller)
    assert (alert["occurrences"], alert["severity"]) == (11, "critical")
    lines = (await ask(either, "GET", "/api/alerts/export?format=ndjson", caller)).body
    assert json.loads(lines) == alert


async def test_a_storm_reaches_a_socket_as_a_few_events(server: Server) -> None:
    caller = await server.key("publish")
    async with connect(server, caller) as client:
        await client.ask(type="subscribe", channels=["alerts"])
        for _ in range(4):
            await asyncio.gather(*(server.feed.raise_alert(RAISED) for _ in range(50)))
        await server.feed.resolve_alert((await one_alert(server, caller))["id"])
        numbers = []
        while True:
            frame = await client.receive()
            if frame["type"] == "alert":
                numbers.append(frame["data"]["occurrences"])
                if frame["data"]["status"] == "resolved":
                    break
    assert numbers == [*range(1, 11), *range(20, 101, 10), 200, 200]


async def test_a_snapshot_is_not_repeated_by_older_counts(server: Server) -> None:
    caller = await server.key("publish")
    await server.feed.raise_alert(RAISED)
    async with connect(server, caller) as client:
        await client.send(type="subscribe", id=1, channels=["alerts"], snapshot=True)
        await server.feed.raise_alert(RAISED)
        seen = []
        while not seen or seen[-1] != 2:
            frame = await client.receive()
            if frame["type"] == "alert":
                seen.append(frame["data"]["occurrences"])
    assert seen in ([1, 2], [2])


async def test_an_alert_of_a_fingerprint_is_imported_as_it_was_exported(server: Server) -> None:
    caller = await server.key("publish")
    await server.feed.raise_alert({**RAISED, "id": "a1"})
    await server.feed.resolve_alert("a1")
    await server.feed.raise_alert({**RAISED, "id": "a2"})
    await server.feed.raise_alert(RAISED)
    lines = (await ask(server, "GET", "/api/alerts/export?format=ndjson", caller)).body
    again = await ask(
        server, "POST", "/api/alerts/import", {**caller, "Content-Type": "application/x-ndjson"},
        data=lines,
    )  # fmt: skip
    assert (again.status, again.json) == (200, {"accepted": 2, "new": 0})


async def test_threads_and_repeats_of_the_host_count_too(config: Config) -> None:
    def feed_it() -> None:
        with Dashboard.in_thread(config) as feed:
            feed.raise_alert(RAISED)
            for _ in range(5):
                feed.raise_alert(RAISED, wait=False)

    await asyncio.to_thread(feed_it)
    async with Dashboard(config, serve=False) as dashboard:
        stored = await dashboard.feed.raise_alert(RAISED)
    assert stored["occurrences"] == 7


async def test_a_bad_fingerprint_is_refused(server: Server) -> None:
    caller = await server.key("publish")
    for bad in (7, "", "x" * 257, "a\x00", ["a"]):
        answer = await ask(
            server, "POST", "/api/alerts", caller, json={**ALERT, "fingerprint": bad}
        )
        assert places(answer) == ["/fingerprint"], bad
