"""Commands for users and API keys."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import click

from alphapulse_api.auth.accounts import Accounts
from alphapulse_api.auth.grants import AccountError
from alphapulse_api.auth.opening import open_accounts
from alphapulse_api.auth.permissions import DEFAULT_KEY_SCOPES, ROLES
from alphapulse_api.cli.actor import os_user
from alphapulse_api.cli.options import CONFIG
from alphapulse_api.config import Config
from alphapulse_api.config.durations import parse_duration
from alphapulse_api.domain.times import now
from alphapulse_api.runtime.tuning import run
from alphapulse_api.storage.engines import engine_from

T = TypeVar("T")
BOOKS = click.option(
    "--book", "books", metavar="ID", multiple=True, help="Limit to this book; repeatable."
)


@click.group()
def user() -> None:
    """Manage users."""


@user.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(list(ROLES)), default="viewer", show_default=True)
@BOOKS
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@CONFIG
def user_add(
    name: str, role: str, books: tuple[str, ...], password_stdin: bool, config_path: str | None
) -> None:
    """Add a user."""
    password = _password(password_stdin)

    async def work(accounts: Accounts) -> None:
        if (known := await accounts.find_user(name)) is not None:
            raise AccountError(f"the user {known.username!r} exists already")
        await accounts.set_user(name, role, password, books or None, actor=os_user())

    _with_accounts(config_path, work)
    click.echo(f"added {name} ({role})")


@user.command("list")
@CONFIG
def user_list(config_path: str | None) -> None:
    """List the users."""

    async def work(accounts: Accounts) -> None:
        for known in await accounts.list_users():
            state = "disabled" if known.disabled else "active"
            created = f"{known.created_at:%Y-%m-%d}"
            books = _shown(known.books)
            click.echo(f"{known.username}\t{known.role}\t{state}\t{created}\t{books}")

    _with_accounts(config_path, work)


@user.command("books")
@click.argument("name")
@BOOKS
@click.option("--all", "everything", is_flag=True, help="End the limit.")
@CONFIG
def user_books(
    name: str, books: tuple[str, ...], everything: bool, config_path: str | None
) -> None:
    """Limit a user to books, or end the limit; its tokens are revoked."""
    if everything == bool(books):
        raise AccountError("name the books with --book, or say --all")
    limit = None if everything else books
    _with_accounts(config_path, lambda accounts: accounts.set_books(name, limit, actor=os_user()))
    click.echo(f"{name} has {'all books' if everything else ', '.join(books)}")


@user.command("passwd")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@CONFIG
def user_passwd(name: str, password_stdin: bool, config_path: str | None) -> None:
    """Change a user's password and revoke its tokens."""
    password = _password(password_stdin)
    _with_accounts(
        config_path, lambda accounts: accounts.set_password(name, password, actor=os_user())
    )
    click.echo(f"changed the password of {name}")


@user.command("disable")
@click.argument("name")
@CONFIG
def user_disable(name: str, config_path: str | None) -> None:
    """Disable a user: its tokens are revoked and its sockets closed."""
    _with_accounts(config_path, lambda accounts: accounts.disable_user(name, actor=os_user()))
    click.echo(f"disabled {name}")


@click.group("api-key")
def api_key() -> None:
    """Manage API keys."""


@api_key.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    help="What the key may do: publish, view (read everything) or any view_*; repeatable. "
    "webhook alone makes a token for the URL of a webhook; execute takes the commands of --agent.  "
    "[default: view]",
)
@BOOKS
@click.option(
    "--agent",
    "agents",
    multiple=True,
    metavar="ID",
    help="An agent whose commands a key of the scope execute takes; repeatable.",
)
@click.option("--expires", metavar="DURATION", help="Such as 90d or 12h.  [default: never]")
@CONFIG
def api_key_create(
    name: str,
    scopes: tuple[str, ...],
    books: tuple[str, ...],
    agents: tuple[str, ...],
    expires: str | None,
    config_path: str | None,
) -> None:
    """Create a key; it is printed once, and only its hash is stored."""
    expires_at = _expiry(expires)

    async def work(accounts: Accounts) -> str:
        _, key = await accounts.create_api_key(
            name,
            scopes or DEFAULT_KEY_SCOPES,
            expires_at,
            books or None,
            agents=agents,
            actor=os_user(),
        )
        return key

    click.echo(_with_accounts(config_path, work))


@api_key.command("list")
@CONFIG
def api_key_list(config_path: str | None) -> None:
    """List keys, without their secrets."""

    async def work(accounts: Accounts) -> None:
        for key in await accounts.list_api_keys():
            expired = key.expires_at is not None and key.expires_at <= now()
            state = "revoked" if key.revoked_at else "expired" if expired else "active"
            expiry = f"{key.expires_at:%Y-%m-%d}" if key.expires_at else "never expires"
            scopes, books = ",".join(key.scopes), _shown(key.books)
            click.echo(f"{key.id}\t{key.name}\t{state}\t{expiry}\t{scopes}\t{books}")

    _with_accounts(config_path, work)


@api_key.command("revoke")
@click.argument("key_id", metavar="ID")
@CONFIG
def api_key_revoke(key_id: str, config_path: str | None) -> None:
    """Revoke a key: it is refused within seconds, and its sockets are closed."""
    _with_accounts(config_path, lambda accounts: accounts.revoke_api_key(key_id, actor=os_user()))
    click.echo(f"revoked {key_id}")


def _with_accounts(config_path: str | None, work: Callable[[Accounts], Awaitable[T]]) -> T:
    async def found() -> T:
        config = Config.load(config_path)
        engine = engine_from(config.database)
        await engine.open()
        try:
            accounts, _ = await open_accounts(engine, config)
            return await work(accounts)
        finally:
            await engine.close()

    return run(found())


def _shown(books: Sequence[str] | None) -> str:
    return "all books" if books is None else ",".join(books)


def _expiry(expires: str | None) -> datetime | None:
    if expires is None:
        return None
    try:
        seconds = parse_duration(expires)
        expires_at = now() + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        raise AccountError("--expires must be a duration such as 90d or 12h") from None
    if not seconds:
        raise AccountError("--expires must be more than 0: such a key would never be valid")
    return expires_at


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password
