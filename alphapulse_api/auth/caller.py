"""The authenticated caller of a request or a socket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from alphapulse_api.domain.books import MAIN


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller.

    Attributes:
        username: the user's name, or the API key's.
        auth: the kind of credentials.
        subject: identifies the caller in rate limits and audits; a user and a key with the same
            name have different subjects.
        expires_at: when the credentials expire; None if they do not.
        ends_at: when they stop being accepted: `expires_at` plus the leeway for slow clocks.
        books: the books that the caller is limited to, the home book first; None: not limited.
        agents: those whose commands the caller takes.
        credential: the token's jti or the key's id.
        generation: the user's token generation, 0 for a key.
        family: identifies the login that a token comes from; None if there was no login.
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
    books: tuple[str, ...] | None = None
    agents: tuple[str, ...] = ()

    @property
    def home(self) -> str:
        """The book that the caller means without naming one."""
        return MAIN if self.books is None else self.books[0]
