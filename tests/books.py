"""Books, and callers who are limited to them."""

from __future__ import annotations

from tests.conftest import PASSWORD, Server


async def open_books(server: Server, *ids: str) -> None:
    """Open paper books."""

    for book in ids:
        await server.feed.open_book(book, mode="paper")


async def limited_key(server: Server, *books: str, scopes: str = "view publish") -> dict[str, str]:
    """Headers of a fresh API key that is limited to books."""
    accounts = server.dashboard.accounts
    _, key = await accounts.create_api_key("limited", scopes.split(), books=books)
    return {"X-API-Key": key}


async def limited_user(server: Server, role: str, *books: str) -> dict[str, str]:
    """Headers of a fresh user that is limited to books."""
    name = f"{role}-of-{'-'.join(books)}"
    await server.dashboard.accounts.set_user(name, role, PASSWORD, books)
    return await server.login(role, name)
