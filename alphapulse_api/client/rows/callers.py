"""The types of a caller."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypedDict


class Me(TypedDict):
    """The caller."""

    username: str
    role: str
    permissions: list[str]
    auth: Literal["jwt", "api_key"]
    books: list[str] | None
    home: str
    expires_at: datetime | None
