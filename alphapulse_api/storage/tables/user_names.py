"""The migration that gives users the form their names are compared in."""

from __future__ import annotations

from collections import defaultdict

from alphapulse_api.domain.errors import StartupError
from alphapulse_api.domain.names import name_key
from alphapulse_api.storage.engine import Transaction


async def fill_name_keys(transaction: Transaction) -> None:
    """Give every user its key, and let no two have the same from now on.

    Raises:
        StartupError: if two users that can log in have the same. Which of them keeps the name is
            for people to decide, so nothing is changed.
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
    """A name written so that two spellings which look alike can be distinguished."""
    return repr(username) if username.isascii() else f"{username!r} ({username!a})"
