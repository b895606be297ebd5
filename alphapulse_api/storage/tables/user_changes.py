"""Changes of users in a transaction, each with its entry in the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.domain.deeds import Actor, Deed, changed_fields
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.names import name_key
from alphapulse_api.domain.times import now
from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.tables.audit import note
from alphapulse_api.storage.tables.callers import NEVER_LIMITED, USERS, LimitedAdmin

# The others are secrets, or say nothing to people.
AUDITED: Final = ("role", "disabled", "books")


async def add_user(transaction: Transaction, user: Mapping[str, Any], actor: Actor) -> None:
    """Store a new user.

    Raises:
        LimitedAdmin: if an admin would be limited.
    """
    check_limit(user["role"], user["books"])
    await transaction.execute(USERS.insert, *USERS.store(user))
    await note(transaction, Deed(actor, "user.create", user["username"], after=_audited(user)))


async def change_user(
    transaction: Transaction, locked: str, username: str, actor: Actor, change: str, *args: Any
) -> bool:
    """Set columns of a user and end its tokens.

    Args:
        locked: the engine's SQL that locks rows.
        username: in any spelling and case.
        actor: who does it.
        change: the assignments, in SQL; their parameters are numbered from $2.
        args: the parameters.

    Returns:
        Whether the user exists.

    Raises:
        LimitedAdmin: if an admin would be limited.
    """
    key = name_key(username)
    rows = await transaction.fetch(
        f"SELECT {USERS.select} FROM users WHERE name_key = $1 {locked}", key
    )
    if not rows:
        return False
    before = USERS.read(rows[0])
    (row,) = await transaction.fetch(
        f"UPDATE users SET {change}, generation = generation + 1 WHERE name_key = $1 "
        f"RETURNING {USERS.select}",
        key,
        *args,
    )
    after = USERS.read(row)
    check_limit(after["role"], after["books"])
    was, is_now = changed_fields(_audited(before), _audited(after))
    if after["password_hash"] != before["password_hash"]:
        is_now["password_changed"] = True
    await note(transaction, Deed(actor, "user.update", after["username"], None, was, is_now))
    return True


def check_limit(role: str, books: object) -> None:
    """Check that no admin is limited to books.

    Raises:
        LimitedAdmin: if one would be.
    """
    if role == NEVER_LIMITED and books is not None:
        raise LimitedAdmin


def limit_of(books: tuple[str, ...] | None) -> str | None:
    """The value of the column `books`."""
    return None if books is None else dumps(books).decode()


def new_user(
    username: str, role: str, password_hash: str, books: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """The columns of a new user."""
    return {
        "username": username,
        "role": role,
        "password_hash": password_hash,
        "disabled": False,
        "generation": 1,
        "created_at": now(),
        "name_key": name_key(username),
        "books": books,
    }


def _audited(user: Mapping[str, Any]) -> dict[str, Any]:
    return {name: user[name] for name in AUDITED}
