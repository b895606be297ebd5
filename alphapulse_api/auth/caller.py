"""The one who calls, once known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller.

    Attributes:
        username: the user's name, or the API key's.
        auth: what was presented.
        subject: what rate limits and audits count by; differs for a user and a key of one name.
        expires_at: when the credentials end, if they do.
        ends_at: until when they are accepted: a token's end, and the leeway for clocks behind it.
        credential: the token's jti or the key's id.
        generation: the user's token generation, 0 for a key.
        family: of the login that a token comes from, if it comes from one.
    """

    username: str
    role: str
    permissions: frozenset[str]
    auth: Literal["jwt", "api_key"]
    subject: str
    expires_at: datetime | None
    credential: str
    generation: int = 0
    family: str | None = None
    ends_at: datetime | None = None
