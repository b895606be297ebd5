"""The messages of a socket that takes commands for agents."""

from __future__ import annotations

from typing import Any, Final

from alphapulse_api.domain.commands import ANSWERS
from alphapulse_api.http.spec.examples import answer_example
from alphapulse_api.http.spec.message_parts import ID, TEXT, Message, ref
from alphapulse_api.schemas.commands import Command
from alphapulse_api.sockets.command_requests import MAX_SERVED

_AGENTS: Final[dict[str, Any]] = {
    "type": "array",
    "items": TEXT,
    "maxItems": MAX_SERVED,
    "description": "ids of agents",
}
COMMAND_REQUESTS: Final = (
    Message(
        "serve", "serve", "ServeRequest",
        "Serve these agents from now on, and no others; for a key of the scope execute.",
        {**ID, "agents": _AGENTS}, ("agents",), {"id": 6, "agents": ["momentum-1"]}, sent=True,
    ),
    Message(
        "take", "take", "TakeRequest",
        "Take the oldest pending command of the agents that are served; nobody gets it again.",
        ID, (), {"id": 7}, sent=True,
    ),
    Message(
        "command_update", "command_update", "CommandUpdateRequest",
        "Answer a command that was taken. A repeated answer changes nothing.",
        {
            **ID,
            "command_id": TEXT,
            "state": {"type": "string", "enum": list(ANSWERS)},
            "detail": {"type": "string", "description": "why it failed or was refused"},
            "result": {"type": "object", "description": "what else there is to say"},
        },
        ("command_id", "state"),
        {"id": 8, "command_id": "c-1", "state": "done", "result": {"open_orders": 0}}, sent=True,
    ),
)  # fmt: skip

COMMAND_ANSWERS: Final = (
    Message(
        "served", "served", "Served",
        "The agents are served: take what is pending, and again after each `command_ready`.",
        {**ID, "agents": _AGENTS}, ("agents",), {"id": 6, "agents": ["momentum-1"]},
    ),
    Message(
        "command_ready", "command_ready", "CommandReady",
        "A command was sent to an agent that is served: take it.", {}, (), {},
    ),
    Message(
        "command", "command", "TakenCommand",
        "The command that was taken.",
        {
            **ID,
            "command": {
                "description": "null: there is none",
                "anyOf": [ref("Command"), {"type": "null"}],
            },
            "expires_in": {
                "type": "number",
                "description": "seconds since the request was sent, after which it must not be "
                "carried out",
            },
        },
        ("command",),
        {"id": 7, "command": answer_example(Command), "expires_in": 29.8},
    ),
    Message(
        "command_updated", "command_updated", "CommandUpdated",
        "The answer is stored.",
        {**ID, "command": ref("Command")}, ("command",),
        {"id": 8, "command": {**answer_example(Command), "state": "done"}},
    ),
)  # fmt: skip
