"""The books that users and keys are limited to: given, kept, shown, and never an admin's."""

from __future__ import annotations

import asyncio

import pytest

from alphapulse_api.auth.grants import AccountError
from tests.asking import ask
from tests.books import open_books
from tests.commands import Here
from tests.conftest import PASSWORD, Server


async def books_of(server: Server, caller: dict[str, str]) -> tuple[list[str] | None, str]:
    me = (await ask(server, "GET", "/api/me", caller)).json
    return me["books"], me["home"]


async def test_the_home_book_is_main_or_else_the_first(either: Server) -> None:
    accounts = either.dashboard.accounts
    await open_books(either, "alpha", "beta")
    for given, books in (
        (None, (None, "main")),
        (["beta", "alpha", "beta"], (["beta", "alpha"], "beta")),
        (["beta", "main"], (["main", "beta"], "main")),
    ):
        _, key = await accounts.create_api_key("bot", books=given)
        assert await books_of(either, {"X-API-Key": key}) == books
        name = f"ann-{len(given or ())}"
        await accounts.set_user(name, "viewer", PASSWORD, given)
        assert await books_of(either, await either.login("viewer", name)) == books


async def test_a_limit_stays_until_it_is_changed(either: Server) -> None:
    accounts = either.dashboard.accounts
    await open_books(either, "alpha", "beta")
    await accounts.set_user("ann", "viewer", PASSWORD, ["beta"])
    await accounts.set_user("ann", "operator", PASSWORD)
    assert await books_of(either, await either.login("operator", "ann")) == (["beta"], "beta")
    await accounts.set_books("ANN", ["alpha"])
    assert await books_of(either, await either.login("operator", "ann")) == (["alpha"], "alpha")
    await accounts.set_books("ann", None)
    assert await books_of(either, await either.login("operator", "ann")) == (None, "main")


async def test_an_admin_is_never_limited(either: Server) -> None:
    accounts = either.dashboard.accounts
    with pytest.raises(AccountError, match="admin cannot be limited"):
        await accounts.set_books("admin", ["main"])
    with pytest.raises(AccountError, match="admin cannot be limited"):
        await accounts.set_user("boss", "admin", PASSWORD, ["main"])
    assert await accounts.find_user("boss") is None
    await accounts.set_user("ann", "viewer", PASSWORD, ["main"])
    with pytest.raises(AccountError, match="admin cannot be limited"):
        await accounts.set_user("ann", "admin", PASSWORD)
    ann = await accounts.find_user("ann")
    assert ann is not None
    assert (ann.role, ann.books) == ("viewer", ("main",))


async def test_of_a_limit_and_a_role_that_are_given_at_once_one_is_refused(
    either: Server,
) -> None:
    accounts = either.dashboard.accounts
    await accounts.set_user("ann", "viewer", PASSWORD)
    results = await asyncio.gather(
        accounts.set_books("ann", ["main"]),
        accounts.set_user("ann", "admin", PASSWORD),
        return_exceptions=True,
    )
    assert {type(result) for result in results} == {AccountError, type(None)}


async def test_a_limit_names_books_that_exist(server: Server) -> None:
    create = server.dashboard.accounts.create_api_key
    with pytest.raises(AccountError, match="at least one book"):
        await create("bot", books=[])
    with pytest.raises(AccountError, match="no book 'bet': open it first"):
        await create("bot", books=["main", "bet"])
    with pytest.raises(AccountError, match=r"no book 'x\\x00y'"):
        await create("bot", books=["x\0y"])


async def test_a_webhook_token_publishes_to_one_book(server: Server) -> None:
    await open_books(server, "beta")
    with pytest.raises(AccountError, match="one book"):
        await server.dashboard.accounts.create_api_key("tv", {"webhook"}, books=["main", "beta"])


def test_lists_show_the_books(here: Here) -> None:
    add = ("user", "add", "ann", "--book", "main", "--password-stdin")
    assert here(*add, stdin="long enough\n").returncode == 0
    assert here("user", "list").stdout.rstrip().endswith("\tmain")
    assert here("user", "books", "ann", "--all").stdout == "ann has all books\n"
    assert here("user", "list").stdout.rstrip().endswith("\tall books")
    here("api-key", "create", "bot", "--book", "main")
    assert here("api-key", "list").stdout.rstrip().endswith("\tmain")
