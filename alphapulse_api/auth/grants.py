"""What an API key or a user may be granted: scopes and books."""

from __future__ import annotations

from collections.abc import Collection

from marshmallow import ValidationError

from alphapulse_api.auth.permissions import EXECUTE, KEY_SCOPES, VIEW, VIEWS, WEBHOOK
from alphapulse_api.domain.books import MAIN
from alphapulse_api.schemas.fields import Identifier
from alphapulse_api.storage.tables.known_books import KnownBooks


class AccountError(ValueError):
    """An operation on an account failed; the text is one sentence."""


def granted_scopes(scopes: Collection[str]) -> set[str]:
    """The permissions of a key with these scopes; `view` stands for every view_*.

    Raises:
        AccountError: for a scope that a key cannot have.
    """
    granted: set[str] = set()
    if WEBHOOK in scopes and set(scopes) != {WEBHOOK}:
        raise AccountError("a webhook token has no other scope: create another key for them")
    for scope in scopes:
        if scope not in (VIEW, WEBHOOK) and scope not in KEY_SCOPES:
            known = ", ".join(sorted({VIEW, WEBHOOK, *KEY_SCOPES}))
            raise AccountError(f"a key cannot have the scope {scope!r}: choose from {known}")
        granted |= VIEWS if scope == VIEW else {scope}
    return granted


def check_webhook(scopes: Collection[str], books: Collection[str] | None) -> None:
    """Check that a webhook token is limited to one book at most, to which it publishes.

    Raises:
        AccountError: if there are several.
    """
    if WEBHOOK in scopes and books is not None and len(books) > 1:
        raise AccountError("a webhook token publishes to one book: create another for each book")


def granted_agents(
    agents: Collection[str], scopes: Collection[str], books: Collection[str] | None
) -> tuple[str, ...]:
    """The agents whose commands a key takes, each once.

    Raises:
        AccountError: for a key that would take no commands, for agents without the scope, for a
            limit to books, which agents do not belong to, and for a name that no agent can have.
    """
    if (EXECUTE in scopes) != bool(agents):
        raise AccountError("the scope execute and the agents that the key serves go together")
    if agents and books is not None:
        raise AccountError("a key of the scope execute cannot be limited to books")
    for agent_id in agents:
        try:
            Identifier().deserialize(agent_id)
        except ValidationError as error:
            raise AccountError(f"no agent can have the id {agent_id!r}: {error}") from None
    return tuple(dict.fromkeys(agents))


async def granted_books(books: Collection[str] | None, known: KnownBooks) -> tuple[str, ...] | None:
    """The books that a caller is limited to, each once, its home book first; None: not limited.

    The home book is `main` if it is among them, else the first.

    Raises:
        AccountError: for no books at all, which would be a caller that can do nothing, and for a
            book that does not exist, which is rather mistyped than meant for later.
    """
    if books is None:
        return None
    if not books:
        raise AccountError("name at least one book")
    for book in await known.unknown(books):
        raise AccountError(f"there is no book {book!r}: open it first (PUT /api/books/{book})")
    return tuple(sorted(dict.fromkeys(books), key=lambda book: book != MAIN))


def limited_admin(username: str) -> AccountError:
    """The refusal of a limit on an admin."""
    return AccountError(
        f"an admin cannot be limited to books: give {username!r} another role, or all books "
        "(alphapulse-api user books NAME --all)"
    )
