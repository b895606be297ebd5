"""Silences and the log of notifications over HTTP, on both engines."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alphapulse_api.domain.times import now, rfc3339
from tests.asking import SILENCE, ask, places, problem
from tests.conftest import Server
from tests.notifications import add_notifications, notification


async def ids(server: Server, caller: Any, path: str, **params: Any) -> list[str]:
    answer = await ask(server, "GET", path, caller, params=params)
    assert answer.status == 200, answer.body
    return [row["id"] for row in answer.json]


async def test_a_silence_is_created_read_and_ended(either: Server) -> None:
    caller = await either.login("operator", "ann")
    answer = await ask(
        either, "POST", "/api/silences", caller, json={**SILENCE, "comment": "Deploy"}
    )
    assert answer.status == 201
    silence = answer.json
    assert answer.headers["Location"] == f"/api/silences/{silence['id']}"
    assert silence["created_by"] == "ann"
    assert silence["matchers"] == {"source": ["risk"]}
    assert silence["starts_at"] <= rfc3339(now())
    path = f"/api/silences/{silence['id']}"
    assert (await ask(either, "GET", path, caller)).json == silence
    assert await ids(either, caller, "/api/silences", active="true") == [silence["id"]]
    ended = await ask(either, "DELETE", path, caller)
    assert ended.status == 200
    assert silence["starts_at"] < ended.json["until"] <= rfc3339(now())
    assert (await ask(either, "DELETE", path, caller)).json == ended.json
    assert await ids(either, caller, "/api/silences", active="true") == []
    assert await ids(either, caller, "/api/silences", active="false") == [silence["id"]]


async def test_a_repeat_is_the_same_silence_and_other_content_a_conflict(either: Server) -> None:
    caller = await either.login("operator")
    silence = {**SILENCE, "id": "si-1"}
    first = await ask(either, "POST", "/api/silences", caller, json=silence)
    again = await ask(either, "POST", "/api/silences", caller, json=silence)
    assert (first.status, again.status) == (201, 200)
    assert again.json == first.json
    # What was read may be sent back.
    assert (await ask(either, "POST", "/api/silences", caller, json=first.json)).status == 200
    other = await ask(either, "POST", "/api/silences", caller, json={**silence, "comment": "x"})
    assert problem(other, 409)["errors"][0]["pointer"] == "/id"
    await ask(either, "DELETE", "/api/silences/si-1", caller)
    again = await ask(either, "POST", "/api/silences", caller, json=silence)
    assert again.status == 200
    assert again.json["until"] < SILENCE["until"]


async def test_a_silence_that_has_not_begun_can_be_ended(either: Server) -> None:
    caller = await either.login("operator")
    later = rfc3339(now() + timedelta(days=1))
    silence = {**SILENCE, "id": "si-1", "starts_at": later}
    assert (await ask(either, "POST", "/api/silences", caller, json=silence)).status == 201
    assert await ids(either, caller, "/api/silences", active="true") == []
    ended = (await ask(either, "DELETE", "/api/silences/si-1", caller)).json
    assert ended["starts_at"] == ended["until"] < later


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"matchers": {}}, ["/matchers/min_severity"]),
        ({"matchers": {"source": []}}, ["/matchers/min_severity"]),
        ({"matchers": None}, ["/matchers"]),
        ({"matchers": {"severity": ["high"]}}, ["/matchers/severity/0"]),
        ({"matchers": {"labels": ["team"]}}, ["/matchers/labels/0"]),
        ({"matchers": {"book": ["No Book"]}}, ["/matchers/book/0"]),
        ({"matchers": {"title": ["x"]}}, ["/matchers/title"]),
        ({"until": None}, ["/until"]),
        ({"until": "2020-01-01T00:00:00Z"}, ["/until"]),
        ({"starts_at": SILENCE["until"]}, ["/until"]),
        ({"until": "2099-12-31T00:00:00"}, ["/until"]),
        ({"id": "a b"}, ["/id"]),
        ({"comment": "x" * 1025}, ["/comment"]),
        ({"unknown": 1}, ["/unknown"]),
    ],
)
async def test_what_is_wrong_with_a_silence_is_named(
    server: Server, changes: dict[str, Any], pointers: list[str]
) -> None:
    caller = await server.login()
    answer = await ask(server, "POST", "/api/silences", caller, json={**SILENCE, **changes})
    assert set(places(answer)) == set(pointers)
    assert await ids(server, caller, "/api/silences") == []


async def test_the_audit_log_says_who_silenced(either: Server) -> None:
    operator = await either.login("operator", "ann")
    await ask(either, "POST", "/api/silences", operator, json={**SILENCE, "id": "si-1"})
    await ask(either, "DELETE", "/api/silences/si-1", operator)
    await ask(either, "DELETE", "/api/silences/si-1", operator)
    params = {"target": "si-1"}
    entries = (await ask(either, "GET", "/api/audit", await either.login(), params=params)).json
    assert [(entry["action"], entry["actor"]) for entry in entries] == [
        ("silence.end", "ann"), ("silence.create", "ann"),
    ]  # fmt: skip
    assert entries[0]["before"] == {"until": "2099-12-31T00:00:00.000000Z"}
    assert entries[1]["after"]["matchers"] == {"source": ["risk"]}


async def test_there_is_no_such_silence(server: Server) -> None:
    caller = await server.login()
    for method in ("GET", "DELETE"):
        problem(await ask(server, method, "/api/silences/none", caller), 404)


async def test_the_log_is_filtered_and_has_pages(either: Server) -> None:
    caller = await either.login("viewer")
    await add_notifications(
        either.backend.engine,
        *[notification(f"n{n}", n // 2) for n in range(5)],
        notification("f", 9, receiver="desk", state="failed", last_error="HTTP 500", alert_id="a2"),
        notification("p", 10, receiver="desk", state="pending", book=None),
        notification("not routed", 11, receiver=""),
    )
    log = "/api/notifications"
    assert await ids(either, caller, log) == ["p", "f", "n4", "n3", "n2", "n1", "n0"]
    assert await ids(either, caller, log, receiver="desk") == ["p", "f"]
    assert await ids(either, caller, log, state="pending,failed") == ["p", "f"]
    assert await ids(either, caller, log, state="failed", receiver="phone") == []
    assert await ids(either, caller, log, alert_id="a2") == ["f"]
    assert await ids(either, caller, log, start_time="2026-03-01T12:00:09Z", sort="asc") == [
        "f",
        "p",
    ]
    pages, cursor = [], ""
    while cursor is not None:
        params = {"limit": 3, "cursor": cursor}
        answer = await ask(either, "GET", log, caller, params=params)
        pages.append([row["id"] for row in answer.json])
        cursor = answer.headers.get("X-Next-Cursor")
    assert pages == [["p", "f", "n4"], ["n3", "n2", "n1"], ["n0"]]
    csv = (await ask(either, "GET", log, caller, params={"format": "csv"})).body.decode()
    assert len(csv.splitlines()) == 8
    assert "HTTP 500" in csv
    lines = await ask(either, "GET", f"{log}/export?format=ndjson&state=failed", caller)
    assert lines.body.count(b"\n") == 1
    assert places(await ask(either, "GET", f"{log}?state=sent", caller)) == ["state"]
