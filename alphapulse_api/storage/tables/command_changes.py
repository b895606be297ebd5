"""How stored commands change: handed out, answered, and ended when their time is over.

All times are those of the database's clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from alphapulse_api.domain.books import NO_BOOK
from alphapulse_api.domain.commands import (
    ACCEPTED,
    ANSWERS,
    DELIVERED,
    EXPIRED,
    OVERDUE,
    PENDING,
)
from alphapulse_api.domain.deeds import Actor, Deed
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.errors import Conflict, NotFound
from alphapulse_api.domain.outbox import OutboxRow
from alphapulse_api.domain.times import from_micros
from alphapulse_api.storage.columns import BOOLEAN, JSON, NUMBER, PLAIN, TIME, Columns
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.outbox import new_id
from alphapulse_api.storage.tables.audit import note

COLUMNS: Final = Columns(
    "commands",
    {
        "id": PLAIN,
        "agent_id": PLAIN,
        "name": PLAIN,
        "level": PLAIN,
        "parameters": JSON,
        "reason": PLAIN,
        "ttl": NUMBER,
        "timeout": NUMBER,
        "halt_id": PLAIN,
        "state": PLAIN,
        "created_at": TIME,
        "created_by": PLAIN,
        "served": BOOLEAN,
        "expires_at": TIME,
        "delivered_at": TIME,
        "delivered_to": PLAIN,
        "accepted_at": TIME,
        "ended_at": TIME,
        "detail": PLAIN,
        "result": JSON,
    },
)
MICROS: Final = 1_000_000
SERVER: Final = Actor("server", "system")  # ends what is overdue
_TOGETHER: Final = 100  # commands that one transaction ends
_INSERT: Final = (
    f"INSERT INTO commands ({COLUMNS.select}, deadline) VALUES "
    f"({', '.join(f'${n}' for n in range(1, len(COLUMNS.names) + 2))})"
)
_BY_ID: Final = f"SELECT {COLUMNS.select} FROM commands WHERE id = $1"
Command = dict[str, Any]


async def clock(store: Engine | Transaction, engine: Engine) -> int:
    """The present time of the database, in microseconds since the epoch."""
    ((present,),) = await store.fetch(f"SELECT {engine.clock}")
    return int(present)


async def get(store: Engine | Transaction, command_id: str, locked: str = "") -> Command:
    """The command with that id; raises `NotFound`."""
    rows = await store.fetch(f"{_BY_ID} {locked}", command_id)
    if not rows:
        raise NotFound(f"There is no command {command_id!r}.")
    return COLUMNS.read(rows[0])


async def insert(transaction: Transaction, command: Mapping[str, Any]) -> None:
    """Insert a pending command."""
    row = COLUMNS.store(command)
    await transaction.execute(_INSERT, *row, row[COLUMNS.names.index("expires_at")])


def changed(command: Mapping[str, Any]) -> OutboxRow:
    """The row that wakes those who wait for a command, in every process."""
    told = {name: command[name] for name in ("id", "agent_id", "state")}
    return OutboxRow(new_id(), "commands", None, 1, (), [dumps(told)], [told], book=NO_BOOK)


async def take(engine: Engine, agent_ids: Collection[str], taker: str) -> Command | None:
    """Hand out the oldest pending command of some agents, once.

    Args:
        engine: the database.
        agent_ids: the agents that the caller serves.
        taker: who the caller is, for people.

    Returns:
        The command, delivered; None if none is pending.
    """

    async def work(transaction: Transaction) -> Command | None:
        now = await clock(transaction, engine)
        marks = ", ".join(f"${n}" for n in range(3, 3 + len(agent_ids)))
        rows = await transaction.fetch(
            f"UPDATE commands SET state = '{DELIVERED}', delivered_at = $1, delivered_to = $2 "
            # The conditions are evaluated again after a wait for another taker.
            f"WHERE state = '{PENDING}' AND expires_at > {engine.clock} AND id = ("
            f"SELECT id FROM commands WHERE state = '{PENDING}' AND agent_id IN ({marks}) "
            f"AND expires_at > {engine.clock} ORDER BY created_at, id LIMIT 1 "
            f"{engine.locked_free}) RETURNING {COLUMNS.select}",
            now,
            taker,
            *agent_ids,
        )
        if not rows:
            return None
        command = COLUMNS.read(rows[0])
        await transaction.execute(
            "UPDATE commands SET deadline = $2 WHERE id = $1",
            command["id"],
            now + command["timeout"] * MICROS,
        )
        transaction.publish(changed(command))
        return command

    return await engine.write(work)


async def expire_taken(engine: Engine, command_id: str) -> None:
    """End a command that was taken, but whose ttl was over before it could be handed out."""

    async def work(transaction: Transaction) -> None:
        command = await get(transaction, command_id, engine.locked)
        if command["state"] == DELIVERED:
            state, detail = OVERDUE[PENDING]
            await _end(transaction, engine, command, state, detail, None, SERVER)

    await engine.write(work)


async def answer(
    engine: Engine,
    command_id: str,
    state: str,
    *,
    agent_ids: Collection[str] | None,
    actor: Actor,
    detail: str | None = None,
    result: Mapping[str, Any] | None = None,
) -> Command:
    """Store an agent's answer to a command that it took.

    Args:
        engine: the database.
        command_id: which command.
        state: a key of `ANSWERS`.
        agent_ids: the agents that the caller serves; None: all.
        actor: the caller.
        detail: why it failed or was refused.
        result: what else there is to say.

    Returns:
        The command after that; a repeated answer changes nothing.

    Raises:
        NotFound: if there is no such command of these agents.
        Conflict: if the command is in a state that does not allow it, such as one that has ended.
    """

    async def work(transaction: Transaction) -> Command:
        command = await get(transaction, command_id, engine.locked)
        if agent_ids is not None and command["agent_id"] not in agent_ids:
            raise NotFound(f"There is no command {command_id!r}.")
        told = (state, detail, None if result is None else dict(result))
        if told == (command["state"], command["detail"], command["result"]):
            return command
        if command["state"] not in ANSWERS[state]:
            raise Conflict(
                f"The command {command_id!r} is {command['state']}: it cannot be {state} now."
            )
        if state != ACCEPTED:
            return await _end(transaction, engine, command, state, detail, result, actor)
        now = await clock(transaction, engine)
        command = {**command, "state": state, "accepted_at": from_micros(now), "detail": detail}
        await _store(transaction, command, now + command["timeout"] * MICROS)
        transaction.publish(changed(command))
        return command

    await end_overdue(engine)
    return await engine.write(work)


async def end_overdue(engine: Engine) -> None:
    """End the commands whose time is over, so that whoever reads sees it."""
    overdue = f"FROM commands WHERE deadline <= {engine.clock}"

    async def work(transaction: Transaction) -> int:
        rows = await transaction.fetch(
            f"SELECT {COLUMNS.select} {overdue} ORDER BY deadline LIMIT {_TOGETHER} "
            f"{engine.locked_free}"
        )
        for command in COLUMNS.records(rows, plain=False):
            state, detail = OVERDUE[command["state"]]
            await _end(transaction, engine, command, state, detail, None, SERVER)
        return len(rows)

    if await engine.fetch(f"SELECT 1 {overdue} LIMIT 1"):
        while await engine.write(work) == _TOGETHER:
            pass


async def seconds_to_deadline(engine: Engine) -> float | None:
    """When the next command is overdue; None if none is open."""
    ((deadline, present),) = await engine.fetch(
        f"SELECT MIN(deadline), {engine.clock} FROM commands WHERE deadline IS NOT NULL"
    )
    return None if deadline is None else max(0, deadline - present) / MICROS


async def _end(
    transaction: Transaction,
    engine: Engine,
    command: Command,
    state: str,
    detail: str | None,
    result: Mapping[str, Any] | None,
    actor: Actor,
) -> Command:
    now = from_micros(await clock(transaction, engine))
    ended = {**command, "state": state, "ended_at": now, "detail": detail, "result": result}
    if state == EXPIRED:
        ended |= {"delivered_at": None, "delivered_to": None}
    await _store(transaction, ended, None)
    before, after = {"state": command["state"]}, {"state": state, "detail": detail}
    await note(transaction, Deed(actor, "command.end", command["id"], None, before, after))
    transaction.publish(changed(ended))
    return ended


async def _store(transaction: Transaction, command: Command, deadline: int | None) -> None:
    row = dict(zip(COLUMNS.names, COLUMNS.store(command), strict=True))
    names = ("state", "delivered_at", "delivered_to", "accepted_at", "ended_at", "detail", "result")
    changes = ", ".join(f"{name} = ${n}" for n, name in enumerate(names, 3))
    await transaction.execute(
        f"UPDATE commands SET deadline = $2, {changes} WHERE id = $1",
        command["id"],
        deadline,
        *(row[name] for name in names),
    )
