"""Commands on the socket: served by a key of the scope execute, taken one at a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from alphapulse_api.auth.grants import AccountError
from alphapulse_api.client import DashboardClient
from alphapulse_api.client.errors import StreamError
from tests.asking import OBEDIENT
from tests.conftest import Server
from tests.proxy import proxied
from tests.socket_client import connect
from tests.waiting import SECONDS, until


async def execute_key(server: Server, *agents: str) -> dict[str, str]:
    for agent in agents:
        await server.feed.update_agent(agent, OBEDIENT)
    _, key = await server.dashboard.accounts.create_api_key("bot", {"execute"}, agents=agents)
    return {"X-API-Key": key}


async def state_of(server: Server, command_id: str) -> Any:
    return (await server.feed.wait_for_command(command_id, 0))["state"]


async def test_a_command_is_announced_taken_and_answered(either: Server) -> None:
    key = await execute_key(either, "m1", "m2")
    async with connect(either, key) as client:
        served = await client.ask(type="serve", id=1, agents=["m1", "m2"])
        assert served == {"type": "served", "id": 1, "agents": ["m1", "m2"]}
        assert await client.ask(type="take", id=2) == {"type": "command", "id": 2, "command": None}
        sent = await either.feed.send_command("m2", {"name": "pause", "ttl": 10})
        assert sent["served"]
        assert await client.receive() == {"type": "command_ready"}
        assert await state_of(either, sent["id"]) == "pending"
        taken = await client.ask(type="take", id=3)
        assert taken["command"]["id"] == sent["id"]
        assert taken["command"]["delivered_to"] == "bot"
        assert 0 < taken["expires_in"] <= 10
        assert (await client.ask(type="take", id=4))["command"] is None
        update = {"type": "command_update", "id": 5, "command_id": sent["id"]}
        for state, result in (("accepted", None), ("done", {"a": 1})):
            answer = await client.ask(**update, state=state, result=result)
            assert (answer["type"], answer["command"]["state"]) == ("command_updated", state)
        for members, code in (
            ({"state": "failed"}, "conflict"),
            ({"state": "delivered"}, "invalid_message"),
            ({"state": "done", "result": [1]}, "invalid_message"),
        ):
            assert (await client.ask(**update, **members))["code"] == code


async def test_a_key_serves_its_agents_only(server: Server) -> None:
    key = await execute_key(server, "m1")
    await server.feed.update_agent("m2", OBEDIENT)
    sent = await server.feed.send_command("m2", {"name": "pause"})
    await server.feed.take_command("m2")
    async with connect(server, key) as client:
        assert (await client.ask(type="serve", agents=["m1", "m2"]))["code"] == "forbidden"
        assert (await client.ask(type="take"))["command"] is None
        update = {"type": "command_update", "command_id": sent["id"], "state": "done"}
        assert (await client.ask(**update))["code"] == "conflict"
    async with connect(server, await server.login()) as client:  # not even an admin
        for message in ({"type": "serve", "agents": ["m1"]}, {"type": "take"}, update):
            assert (await client.ask(**message))["code"] == "forbidden"
    assert await state_of(server, sent["id"]) == "delivered"


@pytest.mark.parametrize(
    "message",
    [
        {"type": "serve"},
        {"type": "serve", "agents": "m1"},
        {"type": "serve", "agents": [1]},
        {"type": "serve", "agents": ["a"] * 65},
        {"type": "take", "agents": ["m1"]},
        {"type": "command_update", "state": "done"},
        {"type": "command_update", "command_id": 5, "state": "done"},
    ],
)
async def test_a_bad_message_is_refused(server: Server, message: dict[str, Any]) -> None:
    async with connect(server, await execute_key(server, "m1")) as client:
        assert (await client.ask(**message))["code"] == "invalid_message"


@pytest.mark.parametrize(
    ("scopes", "agents", "books"),
    [
        ({"execute"}, (), None),
        ({"view"}, ("m1",), None),
        ({"execute"}, ("m1",), ["main"]),
        ({"execute"}, ("a/b",), None),
    ],
)
async def test_a_key_that_could_not_work_is_not_made(
    server: Server, scopes: set[str], agents: tuple[str, ...], books: list[str] | None
) -> None:
    with pytest.raises(AccountError):
        await server.dashboard.accounts.create_api_key("k", scopes, books=books, agents=agents)


async def test_the_client_takes_each_command_once_over_cut_connections(server: Server) -> None:
    key = (await execute_key(server, "m1"))["X-API-Key"]
    done: list[str] = []

    async def obey(client: DashboardClient) -> None:
        async for command in client.commands("m1"):
            done.append(command.id)
            await command.done({"n": len(done)})

    async with (
        proxied(server.url) as proxy,
        DashboardClient(proxy.url, api_key=key, rand=lambda: 0.0) as client,
    ):
        obeying = asyncio.create_task(obey(client))
        sent = []
        for number in range(6):
            command = await server.feed.send_command("m1", {"name": "pause"})
            sent.append(command["id"])
            await until(lambda: len(done) == len(sent))
            if number % 2:
                proxy.cut()
        assert done == sent
        for command_id in sent:
            async with asyncio.timeout(SECONDS):
                while await state_of(server, command_id) != "done":
                    await server.feed.wait_for_command(command_id, 5)
        obeying.cancel()
        with suppress(asyncio.CancelledError):
            await obeying


async def test_the_client_says_why_an_answer_is_refused(server: Server) -> None:
    key = (await execute_key(server, "m1"))["X-API-Key"]
    await server.feed.send_command("m1", {"name": "pause", "parameters": {}})
    async with DashboardClient(server.url, api_key=key) as client:
        async for command in client.commands("m1"):
            await command.refuse("not now")
            with pytest.raises(StreamError, match="refused"):
                await command.done()
            break


async def test_an_answer_that_is_too_long_does_not_end_the_commands(server: Server) -> None:
    key = (await execute_key(server, "m1"))["X-API-Key"]
    await server.feed.send_command("m1", {"name": "pause"})
    async with DashboardClient(server.url, api_key=key) as client:
        async for command in client.commands("m1"):
            with pytest.raises(StreamError, match="bytes"):
                await command.done({"log": "x" * 70_000})
            assert (await command.fail("the log was too long"))["state"] == "failed"
            break


async def test_a_client_without_the_right_learns_it(server: Server) -> None:
    key = (await server.key())["X-API-Key"]
    async with DashboardClient(server.url, api_key=key) as client:
        with pytest.raises(StreamError, match="forbidden"):
            await anext(client.commands("m1"))
