"""A command in the hands of the agent that took it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Generic, TypeVar

from alphapulse_api.domain.commands import ACCEPTED, DONE, FAILED, REFUSED

LATE: Final = "It reached the agent after its ttl was over."


T = TypeVar("T", covariant=True)


class HandedCommand(Generic[T]):
    """A command that was handed out to its agent, and to nobody else.

    Each answer returns the command after it: at once for a synchronous host, otherwise to be
    awaited.

    Args:
        command: the command.
        answer: stores an answer: the id, the state, the detail and the result.

    Attributes:
        id: its id.
        agent_id: the agent.
        name: what to do.
        parameters: as the agent's declaration has them.
        reason: why, if the sender said so.
        sent_by: who sent it.
        record: all fields.
    """

    __slots__ = ("_answer", "agent_id", "id", "name", "parameters", "reason", "record", "sent_by")

    def __init__(self, command: Mapping[str, Any], answer: Callable[..., T]) -> None:
        self._answer = answer
        self.record = command
        self.id: str = command["id"]
        self.agent_id: str = command["agent_id"]
        self.name: str = command["name"]
        self.parameters: Mapping[str, Any] = command["parameters"]
        self.reason: str | None = command["reason"]
        self.sent_by: str = command["created_by"]

    def __repr__(self) -> str:
        return f"<HandedCommand {self.name} to {self.agent_id}, id {self.id}>"

    def accept(self) -> T:
        """Say that it will be carried out; it has to end by its declared `timeout`."""
        return self._answer(self.id, ACCEPTED)

    def done(self, result: Mapping[str, Any] | None = None) -> T:
        """Say that it was carried out."""
        return self._answer(self.id, DONE, None, result)

    def fail(self, reason: str, result: Mapping[str, Any] | None = None) -> T:
        """Say that it was tried, and why it failed."""
        return self._answer(self.id, FAILED, reason, result)

    def refuse(self, reason: str) -> T:
        """Say that it will not be carried out, and why."""
        return self._answer(self.id, REFUSED, reason)


AwaitedCommand = HandedCommand[Awaitable[dict[str, Any]]]
