"""The methods of a feed that send commands to agents, hand them out and take the answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Collection
from contextlib import AbstractContextManager
from time import monotonic
from typing import Any, Final, TypeVar

from alphapulse_api.domain.commands import FINAL, LEVELS
from alphapulse_api.domain.deeds import HOST, Actor
from alphapulse_api.domain.errors import DashboardClosed, Unavailable
from alphapulse_api.domain.handed import LATE, AwaitedCommand, HandedCommand
from alphapulse_api.record.calls import to_its_end
from alphapulse_api.record.command_wakes import (
    ANY,
    LOOK_SECONDS,
    CommandWakes,
    Wake,
    of_agent,
    of_command,
)
from alphapulse_api.record.completion import Stored
from alphapulse_api.record.inputs import Record, checked_agent_id
from alphapulse_api.record.list_feed import ListFeed
from alphapulse_api.record.publishing import Publisher
from alphapulse_api.schemas.commands import AnswerRequest, CommandRequest, HaltRequest
from alphapulse_api.schemas.loading import load
from alphapulse_api.storage.accessors import Accessors

logger = logging.getLogger(__name__)

T = TypeVar("T")
TAKE_SECONDS: Final = 5.0  # that one call waits; whoever waits longer calls again
NOTE_SECONDS: Final = 5.0  # between two notes that an agent is served


class CommandFeed(ListFeed):
    """Sends, hands out and answers commands; see `Feed`."""

    _accessors: Accessors
    _publisher: Publisher
    _wakes: CommandWakes
    _noted: dict[str, float]  # by agent, when it was noted that somebody serves it

    @to_its_end
    async def send_command(
        self,
        agent_id: str,
        command: Record,
        *,
        actor: Actor = HOST,
        levels: Collection[str] = LEVELS,
    ) -> dict[str, Any]:
        """Send a command that the agent declares; returns it.

        Args:
            agent_id: to whom.
            command: `name`, and perhaps `id`, `parameters`, `reason` and `ttl` (seconds).
            actor: who sends it.
            levels: of the commands that the actor may send.

        Raises:
            NotFound: if there is no such agent.
            Conflict: if the id exists with other content.
        """
        request = load(CommandRequest(), command)
        work = self._accessors.commands.add_command(
            checked_agent_id(agent_id), request, actor=actor, levels=levels
        )
        return Stored(*await self._published(work))

    @to_its_end
    async def halt(
        self, request: Record, *, actor: Actor = HOST, levels: Collection[str] = LEVELS
    ) -> list[dict[str, Any]]:
        """Send `halt` to every agent that declares it: to all, or to none; returns the commands.

        Args:
            request: perhaps `id`, `reason` and `ttl` (seconds).
            actor: who sends it.
            levels: of the commands that the actor may send.

        Raises:
            Conflict: if no agent declares it, or the id exists with other content.
        """
        work = self._accessors.commands.halt(
            load(HaltRequest(), request), actor=actor, levels=levels
        )
        sent, _ = await self._published(work)
        return sent

    async def wait_for_command(self, command_id: str, seconds: float) -> dict[str, Any]:
        """A command once its state changes, or after so long; at once if it has ended.

        Raises:
            NotFound: if there is no such command.
        """
        self._calls.check()
        commands = self._accessors.commands
        ends = asyncio.get_running_loop().time() + seconds
        with self._wakes.listening([of_command(command_id)]) as wake:
            first = command = await commands.get_command(command_id)
            while command["state"] == first["state"] and command["state"] not in FINAL:
                left = ends - asyncio.get_running_loop().time()
                if left <= 0 or self._calls.closed:
                    break
                await wake.wait(left)
                command = await commands.get_command(command_id)
        return command

    async def take_command(
        self, agent_id: str, seconds: float = 0.0, taker: str = HOST.name or ""
    ) -> dict[str, Any] | None:
        """Take the oldest pending command of an agent; nobody gets it again.

        Args:
            agent_id: the agent that the caller is.
            seconds: how long to wait for one, 5 at most.
            taker: who the caller is, for people.

        Returns:
            The command; None if there is none. Answer it by `answer_command`. It has one more
            field, `monotonic_end`: the time of this machine's monotonic clock (seconds) from which
            on it must not be carried out.
        """
        return await self.take_command_of((checked_agent_id(agent_id),), seconds, taker)

    async def take_command_of(
        self, agent_ids: Collection[str], seconds: float, taker: str
    ) -> dict[str, Any] | None:
        """The same for one of several agents."""
        ends = asyncio.get_running_loop().time() + min(seconds, TAKE_SECONDS)
        await self.serve_commands(agent_ids)
        with self.commands_sent(agent_ids) as wake:
            while True:
                command = await self._taken(agent_ids, taker)
                left = ends - asyncio.get_running_loop().time()
                if command is not None or left <= 0:
                    return command
                await wake.wait(left)

    def commands_sent(self, agent_ids: Collection[str]) -> AbstractContextManager[Wake]:
        """A wake that is set when a command is sent to one of these agents."""
        return self._wakes.listening(map(of_agent, agent_ids))

    @to_its_end
    async def serve_commands(self, agent_ids: Collection[str]) -> None:
        """Note that somebody takes the commands of these agents; call it every few seconds."""
        present = asyncio.get_running_loop().time()
        due = [
            id_
            for id_ in agent_ids
            if self._noted.get(id_, -NOTE_SECONDS) + NOTE_SECONDS <= present
        ]
        if due:
            await self._accessors.commands.note_served(due)
            self._noted.update(dict.fromkeys(due, present))

    @to_its_end
    async def _taken(self, agent_ids: Collection[str], taker: str) -> dict[str, Any] | None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        commands = self._accessors.commands
        command = await self._published(commands.take(agent_ids, taker))
        if command is None:
            return None
        # The commit may have taken long. What is late is not handed out.
        left = (command["expires_at"] - command["delivered_at"]).total_seconds()
        if began + left <= loop.time():
            await self._published(commands.expire_taken(command["id"]))
            return None
        return {**command, "monotonic_end": monotonic() + began + left - loop.time()}

    async def _published(self, work: Awaitable[T]) -> T:
        """The result of a write whose events are in the log."""
        result = await self._publisher.stored(work, tuple)
        await self._publisher.published("commands")
        return result

    @to_its_end
    async def answer_command(
        self,
        command_id: str,
        state: str,
        detail: str | None = None,
        result: Any = None,
        *,
        agent_ids: Collection[str] | None = None,
        actor: Actor = HOST,
    ) -> dict[str, Any]:
        """Answer a command that was taken; a repeated answer changes nothing; returns the command.

        Args:
            command_id: which command.
            state: accepted, done, failed or refused.
            detail: why it failed or was refused.
            result: an object: what else there is to say of it.
            agent_ids: the agents that the caller serves; None: all.
            actor: who answers.

        Raises:
            NotFound: if there is no such command of these agents.
            Conflict: if its state does not allow the answer, such as once it has ended.
        """
        given = {"state": state, "detail": detail, "result": result}
        answer = load(AnswerRequest(), given)
        work = self._accessors.commands.answer(
            command_id, **answer, agent_ids=agent_ids, actor=actor
        )
        return await self._published(work)

    async def commands(self, agent_id: str) -> AsyncIterator[AwaitedCommand]:
        """The commands of an agent as they are sent, each once, until the dashboard is closed.

        Example:
            >>> async for command in dashboard.feed.commands("momentum-1"):
            ...     await command.accept()
            ...     await command.done({"positions": 0})
        """
        while True:
            try:
                command = await self.take_command(agent_id, TAKE_SECONDS)
            except DashboardClosed:
                return
            if command is None:
                continue
            handed: AwaitedCommand = HandedCommand(command, self.answer_command)
            if monotonic() < command.pop("monotonic_end"):
                yield handed
            else:
                await handed.refuse(LATE)

    async def end_overdue_forever(self) -> None:
        """End commands whose time is over, until cancelled: nobody may be looking at them."""
        commands = self._accessors.commands
        with self._wakes.listening([ANY]) as wake:
            while True:
                seconds: float | None = LOOK_SECONDS
                try:
                    await commands.end_overdue()
                    seconds = await commands.seconds_to_deadline()
                except Unavailable as problem:
                    logger.debug("no command was ended: %s", problem.detail)
                # A deadline that moves has an event.
                await wake.wait(seconds)
