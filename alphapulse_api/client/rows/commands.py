"""The types of commands to agents."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypedDict

CommandState = Literal["pending", "delivered", "accepted", "done", "failed", "refused", "expired"]


class Command(TypedDict):
    """A command to an agent, and what became of it."""

    id: str
    agent_id: str
    name: str
    level: Literal["basic", "full"]
    parameters: dict[str, Any]
    reason: str | None
    ttl: int
    timeout: int
    halt_id: str | None
    state: CommandState
    created_at: datetime
    created_by: str
    served: bool
    expires_at: datetime
    delivered_at: datetime | None
    delivered_to: str | None
    accepted_at: datetime | None
    ended_at: datetime | None
    detail: str | None
    result: dict[str, Any] | None
