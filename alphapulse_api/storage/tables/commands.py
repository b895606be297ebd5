"""Commands: listed, sent, handed out once, and answered."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import uuid_utils

from alphapulse_api.domain.commands import HALT, PENDING
from alphapulse_api.domain.deeds import Actor, Deed
from alphapulse_api.domain.errors import FORBIDDEN, Conflict, Problem, ValidationProblem
from alphapulse_api.domain.times import from_micros
from alphapulse_api.schemas.command_parameters import faults_of
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.listing import by_time, not_default, read_page
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import Listing, Where, check_range
from alphapulse_api.storage.tables.audit import note
from alphapulse_api.storage.tables.command_changes import (
    COLUMNS,
    MICROS,
    answer,
    changed,
    clock,
    end_overdue,
    expire_taken,
    get,
    insert,
    seconds_to_deadline,
    take,
)
from alphapulse_api.storage.tables.command_servers import is_served, note_served
from alphapulse_api.storage.tables.declared_commands import declared_by, declarers_of, resolved

Command = dict[str, Any]
_HALTS: Final = uuid.UUID("6f1c1f0e-6f0c-5d0b-9a5e-0a4a3f1f7c11")  # of the ids of a halt's commands
_CONTENT: Final = ("agent_id", "name", "parameters", "reason", "ttl")


class CommandDataAccessor:
    """Reads and sends commands to agents.

    Args:
        engine: where they are stored.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get_commands(
        self,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        agent_id: str | None = None,
        name: str | None = None,
        state: Sequence[str] | None = None,
        halt_id: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
        sort: str | None = None,
    ) -> Page:
        """One page, newest first unless `sort` is "asc".

        Args:
            state: one or more states, any of which matches.

        Raises:
            ValidationProblem: for an empty range or a foreign cursor.
        """
        check_range(start_time, end_time)
        await end_overdue(self._engine)
        where = Where()
        where.between("created_at", start_time, end_time)
        where.equal(agent_id=agent_id, name=name, halt_id=halt_id)
        where.any_of("state", state)
        listing = Listing(
            "commands",
            agent_id=agent_id,
            name=name,
            state=state,
            halt_id=halt_id,
            sort=not_default(sort),
        )
        order = by_time("created_at", sort)
        return await read_page(self._engine, COLUMNS, order, listing, where, limit, cursor)

    async def get_command(self, command_id: str) -> Command:
        """The command with that id; raises `NotFound`."""
        await end_overdue(self._engine)
        return await get(self._engine, command_id)

    async def take(self, agent_ids: Collection[str], taker: str) -> Command | None:
        """Hand out the oldest pending command of some agents, once; see `command_changes.take`."""
        return await take(self._engine, agent_ids, taker)

    async def note_served(self, agent_ids: Collection[str]) -> None:
        """Note that somebody asks for the commands of these agents."""
        await note_served(self._engine, agent_ids)

    async def expire_taken(self, command_id: str) -> None:
        """End a command that was taken too late to be handed out."""
        await expire_taken(self._engine, command_id)

    async def answer(
        self,
        command_id: str,
        state: str,
        *,
        agent_ids: Collection[str] | None,
        actor: Actor,
        detail: str | None = None,
        result: Mapping[str, Any] | None = None,
    ) -> Command:
        """Store an agent's answer; see `command_changes.answer`."""
        return await answer(
            self._engine, command_id, state,
            agent_ids=agent_ids, actor=actor, detail=detail, result=result,
        )  # fmt: skip

    async def end_overdue(self) -> None:
        """End the commands whose time is over."""
        await end_overdue(self._engine)

    async def seconds_to_deadline(self) -> float | None:
        """When the next command is overdue; None if none is open."""
        return await seconds_to_deadline(self._engine)

    async def add_command(
        self, agent_id: str, request: Mapping[str, Any], *, actor: Actor, levels: Collection[str]
    ) -> tuple[Command, bool]:
        """Send a validated command.

        Args:
            agent_id: to whom.
            request: `name`, `parameters`, `ttl`, and perhaps `id` and `reason`.
            actor: who sends it.
            levels: of the commands that the actor may send.

        Returns:
            The command, and whether it is new.

        Raises:
            NotFound: if there is no such agent.
            ValidationProblem: if the agent does not declare it with these parameters.
            Problem: 403, if its level is not among `levels`.
            Conflict: if the id exists with other content.
        """

        async def work(transaction: Transaction) -> tuple[Command, bool]:
            # The lock makes the order of the times that of the commits, whoever else sends.
            declared = await declared_by(transaction, agent_id, self._engine.locked)
            return await self._send(transaction, agent_id, declared, request, actor, levels)

        return await self._engine.write(work)

    async def halt(
        self, request: Mapping[str, Any], *, actor: Actor, levels: Collection[str]
    ) -> tuple[list[Command], bool]:
        """Send `halt` to every agent that declares it: to all of them, or to none.

        Args:
            request: `ttl`, and perhaps `id` and `reason`.
            actor: who sends it.
            levels: of the commands that the actor may send.

        Returns:
            The commands, by agent, and whether they are new.

        Raises:
            Problem: 403, if the level of one of them is not among `levels`.
            Conflict: if the id exists with other content, or no agent declares `halt`.
        """
        halt_id = request.get("id") or str(uuid_utils.uuid7())

        async def work(transaction: Transaction) -> tuple[list[Command], bool]:
            rows = await transaction.fetch(
                f"SELECT {COLUMNS.select} FROM commands WHERE halt_id = $1 ORDER BY agent_id",
                halt_id,
            )
            if rows:
                known = COLUMNS.records(rows, plain=False)
                if any(known[0][name] != request.get(name) for name in ("reason", "ttl")):
                    raise Conflict(f"The id {halt_id!r} exists with another reason or ttl.")
                return known, False
            sent = []
            for agent_id, declared in await declarers_of(transaction, HALT, self._engine.locked):
                one = {
                    "id": str(uuid.uuid5(_HALTS, f"{halt_id}/{agent_id}")),
                    "name": HALT,
                    "parameters": {},
                    "reason": request.get("reason"),
                    "ttl": request["ttl"],
                    "halt_id": halt_id,
                }
                command, _ = await self._send(transaction, agent_id, declared, one, actor, levels)
                sent.append(command)
            if not sent:
                raise Conflict(
                    "No agent declares a command `halt`: declare it with the agent's state."
                )
            return sent, True

        return await self._engine.write(work)

    async def _send(
        self,
        transaction: Transaction,
        agent_id: str,
        declared: Sequence[Mapping[str, Any]],
        request: Mapping[str, Any],
        actor: Actor,
        levels: Collection[str],
    ) -> tuple[Command, bool]:
        id_ = request.get("id") or str(uuid_utils.uuid7())
        # First, because the agent may declare other commands by the time that a sender repeats one.
        rows = await transaction.fetch(f"SELECT {COLUMNS.select} FROM commands WHERE id = $1", id_)
        if rows:
            known = COLUMNS.read(rows[0])
            given = {**request, "agent_id": agent_id}
            if any(known[name] != given.get(name) for name in _CONTENT):
                raise Conflict(f"The id {id_!r} exists with other content: give another one.")
            return known, False
        command = resolved(agent_id, declared, request["name"])
        if command["level"] not in levels:
            raise Problem(
                FORBIDDEN,
                f"The command {command['name']!r} of {agent_id!r} has the level "
                f"{command['level']!r}, which you may not send.",
            )
        faults = list(faults_of(request["parameters"], command["parameters"]))
        if faults:
            raise ValidationProblem(faults)
        now = await clock(transaction, self._engine)
        record = {
            **dict.fromkeys(COLUMNS.names),
            **{name: request.get(name) for name in ("name", "parameters", "reason", "ttl")},
            "id": id_,
            "agent_id": agent_id,
            "level": command["level"],
            "timeout": command["timeout"],
            "halt_id": request.get("halt_id"),
            "state": PENDING,
            "created_at": from_micros(now),
            "created_by": actor.name or actor.auth,
            "served": await is_served(transaction, self._engine, agent_id),
            "expires_at": from_micros(now + request["ttl"] * MICROS),
        }
        await insert(transaction, record)
        sent = {name: record[name] for name in (*_CONTENT, "halt_id")}
        await note(transaction, Deed(actor, "command.send", id_, after=sent))
        transaction.publish(changed(record))
        return record, True
