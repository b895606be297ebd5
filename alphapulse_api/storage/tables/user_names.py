"""The migration that stores the form in which user names are compared."""

from __future__ import annotations

from collections import defaultdict

from alphapulse_api.domain.errors import StartupError
from alphapulse_api.domain.names import name_key
from alphapulse_api.storage.engine import Transaction


async def fill_name_keys(transaction: Transaction) -> None:
    """Set the key of every user, and make keys unique.

    Raises:
        StartupError: if two users that can log in have the same key. People have to decide which
            of them keeps the name, so nothing is changed.
    """
    rows = await transaction.fetch(
        "SELECT username, disabled FROM users ORDER BY disabled, created_at, username"
    )
    users = defaultdict(list)
    for username, disabled in rows:
        users[name_key(username)].append((username, bool(disabled)))
    clashes = [
        ", ".join(_spelled(username) for username, disabled in same if not disabled)
        for same in users.values()
        if sum(not disabled for _, disabled in same) > 1
    ]
    if clashes:
        raise StartupError(
            "user names are compared without case and in one spelling now (RFC 8265), by which "
            f"these are the same: {'; '.join(clashes)}. Nothing was changed. With the release that "
            "made them, disable all but one (alphapulse-api user disable NAME), then start again"
        )
    for key, same in users.items():
        await transaction.execute(
            "UPDATE users SET name_key = $2 WHERE username = $1", same[0][0], key
        )
    await transaction.fetch("CREATE UNIQUE INDEX users_by_name_key ON users (name_key)")


def _spelled(username: str) -> str:
    """A name in a form that distinguishes spellings which look alike."""
    return repr(username) if username.isascii() else f"{username!r} ({username!a})"
