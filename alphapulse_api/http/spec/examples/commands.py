"""Commands to agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.http.spec.examples.instants import AFTER_NOON

HALT: Final = {"name": "halt", "level": "full"}
PAUSE: Final = {"name": "pause", "level": "basic", "title": "Pause trading", "timeout": 10}
_NOTHING: Final = {
    "delivered_at": None, "delivered_to": None, "accepted_at": None, "ended_at": None,
    "detail": None, "result": None,
}  # fmt: skip

REQUESTS: Final[Mapping[str, Any]] = {
    "CommandRequest": {"id": "c-1", "name": "pause", "reason": "news at 14:00", "ttl": 30},
    "HaltRequest": {"id": "h-1", "reason": "the exchange is down", "ttl": 30},
    "DeclaredCommandRequest": PAUSE,
}
ANSWERS: Final[Mapping[str, Any]] = {
    "Command": {
        "id": "c-1", "agent_id": "momentum-1", "name": "pause", "level": "basic",
        "parameters": {}, "reason": "news at 14:00", "ttl": 30, "timeout": 10, "halt_id": None,
        "state": "pending", "created_at": AFTER_NOON, "created_by": "admin", "served": False,
        "expires_at": "2026-01-31T12:00:30.004211Z", **_NOTHING,
    },
    "DeclaredCommand": PAUSE,
}  # fmt: skip
