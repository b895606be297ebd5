"""What one socket does for the agents that it serves: it wakes the client, hands out, and stores.

A command is handed out when the client takes it, so that a client that is busy or stopped has at
most one. Until then, the server only says that there is something to take.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from alphapulse_api.auth.caller import Caller
from alphapulse_api.domain.deeds import Actor
from alphapulse_api.domain.errors import Conflict, NotFound, Problem, ValidationProblem
from alphapulse_api.record.command_feed import NOTE_SECONDS
from alphapulse_api.record.feed import Feed
from alphapulse_api.sockets.command_requests import CommandRequest, Serve, Take, UpdateCommand
from alphapulse_api.sockets.refusal import Refused
from alphapulse_api.view import Views

logger = logging.getLogger(__name__)

Message = dict[str, Any]


class Serving:
    """The agents that a socket serves.

    Args:
        views: the ways to the stores.
        send: sends a message.
        address: of the client, for the audit log.
    """

    __slots__ = ("_address", "_agents", "_send", "_views", "_watching")

    def __init__(self, views: Views, send: Callable[..., None], address: str | None) -> None:
        self._views = views
        self._send = send
        self._address = address
        self._agents: Sequence[str] = ()
        self._watching: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Serving {' '.join(self._agents)}>"

    def end(self) -> None:
        """Serve nobody any more."""
        self._agents = ()
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def keep(self, caller: Caller) -> None:
        """Serve nobody any more whose commands a new caller does not take."""
        if not set(self._agents) <= set(caller.agents):
            self.end()

    async def carry_out(self, action: CommandRequest, caller: Caller | None) -> None:
        """Carry out a request of a caller who may, and answer it.

        Raises:
            Refused: for an answer to a command that the store refuses.
        """
        assert caller is not None
        answer = await self._answer(action, caller, self._views.of(caller).feed)
        self._send(**answer, **({} if action.id is None else {"id": action.id}))

    async def _answer(self, action: CommandRequest, caller: Caller, feed: Feed) -> Message:
        match action:
            case Serve(_, agents):
                self.end()
                self._agents = agents
                if agents:
                    await feed.serve_commands(agents)
                    self._watching = asyncio.create_task(self._watch(feed), name=repr(self))
                return {"type": "served", "agents": agents}
            case Take():
                return await self._take(caller, feed)
            case UpdateCommand():
                return await self._update(action, caller, feed)

    async def _take(self, caller: Caller, feed: Feed) -> Message:
        command = None
        if self._agents:
            command = await feed.take_command_of(self._agents, 0.0, caller.username)
        if command is None:
            return {"type": "command", "command": None}
        left = command.pop("monotonic_end") - monotonic()
        return {"type": "command", "command": command, "expires_in": max(0.0, left)}

    async def _update(self, action: UpdateCommand, caller: Caller, feed: Feed) -> Message:
        actor = Actor(
            caller.username,
            caller.auth,
            caller.role,
            caller.credential if caller.auth == "api_key" else None,
            self._address,
        )
        try:
            command = await feed.answer_command(
                action.command_id,
                action.state,
                action.detail,
                action.result,
                agent_ids=caller.agents,
                actor=actor,
            )
        except ValidationProblem as problem:
            faults = "; ".join(f"{one['pointer']}: {one['detail']}" for one in problem.errors)
            raise Refused("invalid_message", faults) from None
        except (NotFound, Conflict) as problem:
            raise Refused("conflict", problem.detail) from None
        return {"type": "command_updated", "command": command}

    async def _watch(self, feed: Feed) -> None:
        with feed.commands_sent(self._agents) as wake:
            while True:
                try:
                    await feed.serve_commands(self._agents)
                except Problem as problem:
                    logger.debug("did not note who serves: %s", problem.detail)
                if await wake.wait(NOTE_SECONDS):
                    self._send(type="command_ready")
