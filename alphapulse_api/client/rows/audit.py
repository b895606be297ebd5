"""The types of the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypedDict


class AuditEntry(TypedDict):
    """What somebody did; `count` is above 1 for failed logins that share an entry."""

    id: str
    at: datetime
    actor: str | None
    role: str | None
    auth: Literal["password", "refresh_token", "jwt", "api_key", "command_line", "system"]
    key_id: str | None
    address: str | None
    request_id: str | None
    action: str
    target_kind: str
    target_id: str | None
    book: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    count: int
