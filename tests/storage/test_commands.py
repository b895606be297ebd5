"""Commands in the store: taken once, in order, and ended by the database's clock."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from alphapulse_api.config import RetentionConfig
from alphapulse_api.domain.commands import ANSWERS, FINAL, OVERDUE, STATES
from alphapulse_api.domain.deeds import Actor
from alphapulse_api.domain.errors import Conflict, NotFound, Problem, ValidationProblem
from alphapulse_api.domain.times import now
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.retention import forget

ANN = Actor("ann", "jwt", "admin")
LEVELS = ("basic", "full")
DECLARED = [
    {"name": "pause", "level": "basic", "timeout": 7},
    {"name": "halt", "level": "full"},
    {
        "name": "resize",
        "level": "full",
        "parameters": {
            "type": "object",
            "properties": {"percent": {"type": "number", "maximum": 100}},
            "required": ["percent"],
            "additionalProperties": False,
        },
    },
]


@pytest.fixture
async def store(engine: Engine) -> Accessors:
    accessors = Accessors(engine, 300, {})
    for agent_id in ("a1", "a2"):
        await accessors.agents.set_agent(agent_id, {"commands": DECLARED})
    return accessors


async def send(store: Accessors, name: str = "pause", agent: str = "a1", **fields: Any) -> Any:
    request = {"name": name, "parameters": {}, "ttl": 30, **fields}
    command, _ = await store.commands.add_command(agent, request, actor=ANN, levels=LEVELS)
    return command


async def state_of(store: Accessors, command_id: str) -> str:
    return str((await store.commands.get_command(command_id))["state"])


async def end_time(engine: Engine) -> None:
    """Let the time of all commands be over."""

    async def work(transaction: Transaction) -> None:
        await transaction.execute(
            f"UPDATE commands SET deadline = {engine.clock}, expires_at = {engine.clock} "
            "WHERE deadline IS NOT NULL"
        )

    await engine.write(work)


async def test_a_command_passes_through_its_states(store: Accessors) -> None:
    sent = await send(store, reason="news")
    assert (sent["state"], sent["created_by"], sent["served"]) == ("pending", "ann", False)
    taken = await store.commands.take(["a1", "a2"], "bot")
    assert taken is not None
    assert (taken["id"], taken["state"], taken["delivered_to"]) == (sent["id"], "delivered", "bot")
    assert await store.commands.take(["a1", "a2"], "bot") is None
    for state, result in (("accepted", None), ("done", {"positions": 0})):
        for _ in range(2):  # a repeated answer changes nothing
            answered = await store.commands.answer(
                sent["id"], state, agent_ids=["a1"], actor=ANN, result=result
            )
        assert answered["state"] == state
    assert answered["result"] == {"positions": 0}
    assert answered["accepted_at"] <= answered["ended_at"]
    for state in ANSWERS:
        with pytest.raises(Conflict, match="is done"):
            await store.commands.answer(sent["id"], state, agent_ids=None, actor=ANN, detail="x")
    actions = [entry["action"] for entry in await store.audit.get_audit()]
    assert actions == ["command.end", "command.send"]


async def test_many_takers_get_each_command_once_in_the_order_of_the_store(
    store: Accessors,
) -> None:
    sent = [(await send(store, agent=f"a{n % 2 + 1}"))["id"] for n in range(40)]
    taken: list[Any] = []

    async def take_all() -> None:
        while (command := await store.commands.take(["a1", "a2"], "bot")) is not None:
            taken.append(command["id"])

    await asyncio.gather(*(take_all() for _ in range(8)))
    assert sorted(taken) == sorted(sent)
    for _ in range(5):
        sent.append((await send(store))["id"])
    assert [(await store.commands.take(["a1"], "b") or {})["id"] for _ in range(5)] == sent[-5:]


async def test_a_command_is_not_handed_out_after_its_ttl(store: Accessors, engine: Engine) -> None:
    sent = await send(store)
    await end_time(engine)
    assert await store.commands.take(["a1"], "bot") is None
    expired = await store.commands.get_command(sent["id"])
    assert (expired["state"], expired["delivered_at"]) == ("expired", None)
    assert "Nobody took it" in expired["detail"]
    assert await store.commands.seconds_to_deadline() is None


@pytest.mark.parametrize("answers", [[], ["accepted"]])
async def test_what_was_delivered_and_not_answered_failed_and_may_have_run(
    store: Accessors, engine: Engine, answers: list[str]
) -> None:
    sent = await send(store)
    await store.commands.take(["a1"], "bot")
    for state in answers:
        await store.commands.answer(sent["id"], state, agent_ids=None, actor=ANN)
    assert 6 < (await store.commands.seconds_to_deadline() or 0) <= 7  # as it was declared
    await end_time(engine)
    (failed,) = await store.commands.get_commands(state=["failed"])
    assert "no_answer" in failed["detail"]
    assert "may have run" in failed["detail"]
    with pytest.raises(Conflict):
        await store.commands.answer(sent["id"], "done", agent_ids=None, actor=ANN)


async def test_nothing_undeclared_is_sent(store: Accessors) -> None:
    for name, parameters, place in (
        ("dance", {}, "/name"),
        ("pause", {"a": 1}, "/parameters"),
        ("resize", {}, "/parameters"),
        ("resize", {"percent": 101}, "/parameters/percent"),
        ("resize", {"percent": 1, "a~/b": 1}, "/parameters"),
    ):
        with pytest.raises(ValidationProblem) as refused:
            await send(store, name, parameters=parameters)
        assert refused.value.errors[0]["pointer"] == place
    with pytest.raises(NotFound):
        await send(store, agent="nobody")
    request = {"name": "halt", "parameters": {}, "ttl": 30}
    with pytest.raises(Problem, match="level"):
        await store.commands.add_command("a1", request, actor=ANN, levels=["basic"])
    assert list(await store.commands.get_commands()) == []


async def test_the_same_id_is_one_command(store: Accessors) -> None:
    first = await send(store, id="c1")
    assert await send(store, id="c1") == first
    for changes in ({"ttl": 31}, {"reason": "x"}, {"agent": "a2"}, {"name": "halt"}):
        with pytest.raises(Conflict):
            await send(store, **{"id": "c1", **changes})
    # A sender that repeats it learns what became of it, whatever the agent declares by then.
    await store.agents.set_agent("a1", {"commands": []})
    assert await send(store, id="c1") == first


async def test_halt_reaches_every_agent_that_declares_it_or_none(store: Accessors) -> None:
    await store.agents.set_agent("a0", {"commands": [{"name": "pause", "level": "basic"}]})
    request = {"id": "h1", "ttl": 30, "reason": "fire"}
    with pytest.raises(Problem, match="level"):
        await store.commands.halt(request, actor=ANN, levels=["basic"])
    sent, new = await store.commands.halt(request, actor=ANN, levels=LEVELS)
    assert ([one["agent_id"] for one in sent], new) == (["a1", "a2"], True)
    again, new = await store.commands.halt(request, actor=ANN, levels=LEVELS)
    assert (again, new) == (sent, False)
    with pytest.raises(Conflict):
        await store.commands.halt({**request, "ttl": 31}, actor=ANN, levels=LEVELS)
    assert len(await store.commands.get_commands(halt_id="h1")) == 2


async def test_an_agent_of_another_key_is_out_of_reach(store: Accessors) -> None:
    sent = await send(store)
    assert await store.commands.take(["a2"], "bot") is None
    await store.commands.take(["a1"], "bot")
    with pytest.raises(NotFound):
        await store.commands.answer(sent["id"], "done", agent_ids=["a2"], actor=ANN)
    assert await state_of(store, sent["id"]) == "delivered"


async def test_who_sends_learns_whether_somebody_serves(store: Accessors, engine: Engine) -> None:
    await store.commands.note_served(["a1", "a2"])
    assert (await send(store))["served"]

    async def work(transaction: Transaction) -> None:
        await transaction.execute(f"UPDATE command_servers SET served_until = {engine.clock}")

    await engine.write(work)
    assert not (await send(store))["served"]


async def test_commands_are_filtered_and_paged(store: Accessors) -> None:
    ids = [(await send(store, agent=f"a{n % 2 + 1}"))["id"] for n in range(5)]
    await store.commands.take(["a1"], "bot")

    async def found(**query: Any) -> list[int]:
        return [ids.index(one["id"]) for one in await store.commands.get_commands(**query)]

    assert await found() == [4, 3, 2, 1, 0]
    assert await found(agent_id="a2", sort="asc") == [1, 3]
    assert await found(state=["delivered", "done"]) == [0]
    assert await found(name="halt") == []
    page = await store.commands.get_commands(limit=3)
    assert await found(limit=3, cursor=page.next_cursor) == [1, 0]


async def test_retention_deletes_only_what_has_ended(store: Accessors, engine: Engine) -> None:
    await send(store)
    await end_time(engine)
    await store.commands.end_overdue()
    left = await send(store)
    kept = RetentionConfig(commands=0.000001)
    assert await forget(engine, kept, now()) == {"commands": 1}
    (only,) = await store.commands.get_commands()
    assert only["id"] == left["id"]


def test_every_state_leads_to_a_final_one() -> None:
    ends = {state for state, before in ANSWERS.items() if before} - {"accepted"}
    assert ends | {"expired"} == FINAL
    assert set(OVERDUE) == set(STATES) - FINAL
    assert {state for state, _ in OVERDUE.values()} <= FINAL
