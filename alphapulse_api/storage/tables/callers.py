"""Rows of users and API keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from alphapulse_api.storage.columns import BOOLEAN, JSON, PLAIN, TIME, Columns
from alphapulse_api.storage.engine.base import Row

USERS = Columns(
    "users",
    {
        "username": PLAIN,
        "role": PLAIN,
        "password_hash": PLAIN,
        "disabled": BOOLEAN,
        "generation": PLAIN,
        "created_at": TIME,
        "name_key": PLAIN,
        "books": JSON,
    },
)
API_KEYS = Columns(
    "api_keys",
    {
        "id": PLAIN,
        "name": PLAIN,
        "secret_hash": PLAIN,
        "scopes": JSON,
        "created_at": TIME,
        "expires_at": TIME,
        "revoked_at": TIME,
        "books": JSON,
        "agents": JSON,
    },
)


NEVER_LIMITED: Final = "admin"  # the role that is never limited to books


class LimitedAdmin(ValueError):
    """The change would leave an admin limited to books."""


@dataclass(frozen=True, slots=True)
class User:
    """One row. Incrementing `generation` ends all tokens issued before.

    Attributes:
        name_key: the form of the name that lookups use, independent of spelling and case.
        books: the books that the user is limited to, the home book first; None: not limited.
    """

    username: str
    role: str
    password_hash: str
    disabled: bool
    generation: int
    created_at: datetime
    name_key: str | None
    books: tuple[str, ...] | None = None

    @classmethod
    def of(cls, row: Row) -> User:
        """The user of a row."""
        return cls(**_record(USERS, row))


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One row; only the hash of the secret is stored.

    Attributes:
        books: the books that the key is limited to, the home book first; None: not limited.
        agents: those whose commands it takes.
    """

    id: str
    name: str
    secret_hash: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    books: tuple[str, ...] | None = None
    agents: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: Row) -> ApiKey:
        """The key of a row."""
        record = _record(API_KEYS, row)
        return cls(**{**record, "agents": tuple(record["agents"] or ())})


def _record(columns: Columns, row: Row) -> dict[str, Any]:
    record = columns.read(row)
    if record["books"] is not None:
        record["books"] = tuple(record["books"])
    return record
