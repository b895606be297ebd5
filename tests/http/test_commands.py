"""Commands to agents by REST, taken by the process that embeds the dashboard."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.asking import OBEDIENT, ask, places, problem
from tests.conftest import Server

FULL = {"commands": [{"name": "close_positions", "level": "full"}]}


async def send(server: Server, caller: Any, name: str = "pause", **fields: Any) -> Any:
    answer = await ask(
        server, "POST", "/api/agents/m1/commands", caller, json={"name": name, **fields}
    )
    assert answer.status == 202, answer.body
    return answer.json


@pytest.fixture
async def operator(either: Server) -> dict[str, str]:
    await either.feed.update_agent("m1", OBEDIENT)
    return await either.login("operator")


async def test_an_agent_obeys_and_everyone_sees_it(
    either: Server, operator: dict[str, str]
) -> None:
    async def agent() -> None:
        async for command in either.dashboard.commands("m1"):
            await command.accept()
            await command.done({"open_orders": 0})

    obeying = asyncio.create_task(agent())
    sent = await send(either, operator, reason="news")
    assert (sent["state"], sent["reason"]) == ("pending", "news")
    path, state = f"/api/commands/{sent['id']}", ""
    viewer = await either.login("viewer")
    while state != "done":  # each wait ends at the next change
        seen = (await ask(either, "GET", f"{path}?wait=20", viewer)).json
        assert seen["state"] != state
        state = seen["state"]
    assert seen["result"] == {"open_orders": 0}
    assert (seen["created_by"], seen["delivered_to"]) == ("operator", "host")
    assert (await send(either, operator))["served"]
    obeying.cancel()


async def test_without_anybody_it_expires_visibly(either: Server, operator: dict[str, str]) -> None:
    sent = await send(either, operator, ttl=1)
    assert sent["served"] is False
    seen = (await ask(either, "GET", f"/api/commands/{sent['id']}?wait=30", operator)).json
    assert (seen["state"], seen["delivered_at"]) == ("expired", None)
    assert await either.feed.take_command("m1") is None


async def test_the_level_decides_who_may(either: Server, operator: dict[str, str]) -> None:
    await either.feed.update_agent("m2", FULL)
    admin = await either.login()
    body = {"name": "close_positions"}
    for caller, status in ((operator, 403), (admin, 202)):
        answer = await ask(either, "POST", "/api/agents/m2/commands", caller, json=body)
        assert answer.status == status
    # All or nothing: one agent's halt is beyond an operator.
    await either.feed.update_agent("m2", {"commands": [{"name": "halt", "level": "full"}]})
    problem(await ask(either, "POST", "/api/commands/halt", operator), 403)
    assert len((await ask(either, "GET", "/api/commands?name=halt", admin)).json) == 0
    halted = await ask(either, "POST", "/api/commands/halt", admin, json={"id": "h"})
    assert [one["agent_id"] for one in halted.json] == ["m1", "m2"]
    listed = await ask(either, "GET", "/api/commands?halt_id=h&sort=asc", admin)
    assert sorted(one["agent_id"] for one in listed.json) == ["m1", "m2"]
    rows = await ask(either, "GET", "/api/commands?format=ndjson&name=halt", admin)
    assert len(list(map(json.loads, rows.body.splitlines()))) == 2


async def test_agents_show_what_they_declare(server: Server) -> None:
    declared = [
        {
            "name": "resize",
            "level": "basic",
            "title": "Resize",
            "parameters": {"required": ["percent"]},
            "timeout": 5,
        }
    ]
    admin = await server.login()
    answer = await ask(server, "PUT", "/api/agents/m1", admin, json={"commands": declared})
    assert answer.json["commands"] == declared
    await ask(server, "PUT", "/api/agents/m1", admin, json={"state": "stopped"})
    (agent,) = (await ask(server, "GET", "/api/agents", admin)).json
    assert (agent["commands"], agent["state"]) == (declared, "stopped")
    answer = await ask(server, "POST", "/api/agents/m1/commands", admin, json={"name": "resize"})
    assert places(answer) == ["/parameters"]


@pytest.mark.parametrize(
    "declared",
    [
        {"name": "pause"},
        {"name": "pause", "level": "root"},
        {"name": "", "level": "basic"},
        {"name": "pause", "level": "basic", "timeout": 0},
        {"name": "pause", "level": "basic", "parameters": {"type": "nonsense"}},
        {"name": "pause", "level": "basic", "parameters": {"$ref": "https://example.com/a"}},
        {"name": "pause", "level": "basic", "parameters": {"pattern": "(a+)+$"}},
        {"name": "pause", "level": "basic", "more": 1},
    ],
)
async def test_a_bad_declaration_is_refused(server: Server, declared: Any) -> None:
    admin = await server.login()
    body = {"commands": [{"name": "x", "level": "full"}, declared]}
    answer = await ask(server, "PUT", "/api/agents/m1", admin, json=body)
    assert all(place.startswith("/commands/1") for place in places(answer))
    problem(await ask(server, "GET", "/api/agents/m1", admin), 404)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"ttl": 0}, "/ttl"),
        ({"ttl": -1}, "/ttl"),
        ({"ttl": 10**30}, "/ttl"),
        ({"ttl": 0.5}, "/ttl"),
        ({"parameters": {"a": "x" * 10_000}}, "/parameters"),
        ({"parameters": [1]}, "/parameters"),
        ({"name": "dance"}, "/name"),
        ({"id": "a/b"}, "/id"),
        ({"reason": 5}, "/reason"),
        ({"level": "basic"}, "/level"),
    ],
)
async def test_a_bad_command_is_refused(server: Server, fields: Any, place: str) -> None:
    await server.feed.update_agent("m1", OBEDIENT)
    admin = await server.login()
    body = {"name": "pause", **fields}
    answer = await ask(server, "POST", "/api/agents/m1/commands", admin, json=body)
    assert places(answer) == [place]
    assert (await ask(server, "GET", "/api/commands", admin)).json == []


async def test_the_audit_log_says_who_sent_and_what_became_of_it(server: Server) -> None:
    await server.feed.update_agent("m1", OBEDIENT)
    admin = await server.login()
    sent = await send(server, admin)
    await server.feed.take_command("m1")
    await server.feed.answer_command(sent["id"], "refused", "the market is closed")
    entries = (await ask(server, "GET", f"/api/audit?target={sent['id']}", admin)).json
    assert [(one["action"], one["actor"]) for one in entries] == [
        ("command.end", "host"),
        ("command.send", "admin"),
    ]
    assert entries[0]["after"] == {"state": "refused", "detail": "the market is closed"}
