"""Requests of a socket that takes commands for agents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from alphapulse_api.sockets.refusal import MessageId, Refused

MAX_SERVED: Final = 64  # agents that one socket serves


@dataclass(frozen=True, slots=True)
class Serve:
    """Serve these agents from now on, and no others; acknowledge."""

    id: MessageId
    agents: Sequence[str]


@dataclass(frozen=True, slots=True)
class Take:
    """Hand out the oldest pending command of the agents that are served, if there is one."""

    id: MessageId


@dataclass(frozen=True, slots=True)
class UpdateCommand:
    """Store an answer to a command that was handed out."""

    id: MessageId
    command_id: str
    state: Any
    detail: Any
    result: Any


CommandRequest = Serve | Take | UpdateCommand


def serve(message: Mapping[str, Any], message_id: MessageId) -> Serve:
    """The request of a message; raises `Refused`."""
    agents = message.get("agents")
    if (
        not isinstance(agents, list)
        or len(agents) > MAX_SERVED
        or not all(isinstance(one, str) for one in agents)
    ):
        raise Refused("invalid_message", f"agents must be a list of at most {MAX_SERVED} ids.")
    return Serve(message_id, tuple(dict.fromkeys(agents)))


def take(message: Mapping[str, Any], message_id: MessageId) -> Take:
    """The request of a message."""
    return Take(message_id)


def update_command(message: Mapping[str, Any], message_id: MessageId) -> UpdateCommand:
    """The request of a message, whose other members the store checks; raises `Refused`."""
    command_id = message.get("command_id")
    if not isinstance(command_id, str):
        raise Refused("invalid_message", "command_id must be the id of a command.")
    members = (message.get(name) for name in ("state", "detail", "result"))
    return UpdateCommand(message_id, command_id, *members)


# Message type -> the fields it may have in addition to type and id, and what it becomes.
COMMAND_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "serve": frozenset({"agents"}),
    "take": frozenset(),
    "command_update": frozenset({"command_id", "state", "detail", "result"}),
}
COMMAND_REQUESTS: Final[Mapping[str, Callable[[Mapping[str, Any], MessageId], CommandRequest]]] = {
    "serve": serve,
    "take": take,
    "command_update": update_command,
}
