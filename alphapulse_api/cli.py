"""The command line: it parses, calls, and says in one line what went wrong."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

import click
import yaml

from alphapulse_api import __version__
from alphapulse_api.auth.accounts import AccountError, Accounts
from alphapulse_api.auth.permissions import DEFAULT_KEY_SCOPES, ROLES
from alphapulse_api.backend import Backend, open_accounts
from alphapulse_api.config import Config
from alphapulse_api.config.durations import parse_duration
from alphapulse_api.data.engine import engine_from
from alphapulse_api.errors import ConfigError, StartupError, Unavailable
from alphapulse_api.process import on_stop, run, tune
from alphapulse_api.times import now

T = TypeVar("T")

CONFIG = click.option("--config", "config_path", metavar="FILE", help="YAML configuration.")


def main() -> None:
    """Run a command; a fault that the user can mend is one line, not a traceback."""
    try:
        cli()
    except (ConfigError, StartupError, AccountError) as error:
        click.echo(f"alphapulse_api: {error}", err=True)
        sys.exit(1)
    except Unavailable as error:
        click.echo(f"alphapulse_api: {error.detail}", err=True)
        sys.exit(1)


@click.group(invoke_without_command=True)
@click.version_option(__version__)
@CONFIG
@click.option("--host", help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one."
)
@click.pass_context
def cli(
    context: click.Context, config_path: str | None, host: str | None, port: int | None
) -> None:
    """The backend of a live trading dashboard. Without a command: serve."""
    if context.invoked_subcommand is None:
        _serve(config_path, host, port)
    elif (config_path, host, port) != (None, None, None):
        # Silently the wrong database, otherwise.
        raise click.UsageError(f"put the options after the command: {context.invoked_subcommand}")


@cli.command()
@CONFIG
@click.option("--host", help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one."
)
def serve(config_path: str | None, host: str | None, port: int | None) -> None:
    """Serve the API until SIGTERM or SIGINT."""
    _serve(config_path, host, port)


@cli.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@click.option(
    "--speed",
    type=click.FloatRange(0.01, 1000),
    default=2.0,
    show_default=True,
    help="Trading days a second.",
)
@click.option("--fresh", is_flag=True, help="Start clean instead of going on where it stopped.")
@click.option(
    "--database",
    default="alphapulse-demo.db",
    show_default=True,
    help="Where the demo keeps its data.",
)
def demo(port: int, speed: float, fresh: bool, database: str) -> None:
    """Replay real prices through a small trading process, live."""
    from alphapulse_api.demo.command import run as run_demo

    tune()
    run(run_demo(port=port, speed=speed, fresh=fresh, database=database))


@cli.group()
def user() -> None:
    """Manage the users."""


@user.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(list(ROLES)), default="viewer", show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@CONFIG
def user_add(name: str, role: str, password_stdin: bool, config_path: str | None) -> None:
    """Add a user."""
    password = _password(password_stdin)

    async def work(accounts: Accounts) -> None:
        if any(known.username == name for known in await accounts.list_users()):
            raise AccountError(f"there is a user {name!r} already")
        await accounts.set_user(name, role, password)

    _with_accounts(config_path, work)
    click.echo(f"added {name} ({role})")


@user.command("list")
@CONFIG
def user_list(config_path: str | None) -> None:
    """List the users."""

    async def work(accounts: Accounts) -> None:
        for known in await accounts.list_users():
            state = "disabled" if known.disabled else "active"
            click.echo(f"{known.username}\t{known.role}\t{state}\t{known.created_at:%Y-%m-%d}")

    _with_accounts(config_path, work)


@user.command("passwd")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@CONFIG
def user_passwd(name: str, password_stdin: bool, config_path: str | None) -> None:
    """Change a user's password; tokens given out before end."""
    password = _password(password_stdin)
    _with_accounts(config_path, lambda accounts: accounts.set_password(name, password))
    click.echo(f"changed the password of {name}")


@user.command("disable")
@click.argument("name")
@CONFIG
def user_disable(name: str, config_path: str | None) -> None:
    """Shut a user out: tokens end, sockets close."""
    _with_accounts(config_path, lambda accounts: accounts.disable_user(name))
    click.echo(f"disabled {name}")


@cli.group("api-key")
def api_key() -> None:
    """Manage the API keys."""


@api_key.command("create")
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, help="A permission; repeatable.  [default: every view_*]"
)
@click.option("--expires", metavar="DURATION", help="Such as 90d or 12h.  [default: never]")
@CONFIG
def api_key_create(
    name: str, scopes: tuple[str, ...], expires: str | None, config_path: str | None
) -> None:
    """Make a key; it is printed once and kept only as a hash."""
    expires_at = _expiry(expires)
    # "--scope publish" adds publishing to reading; naming view_* scopes narrows the reading.
    wanted = (
        set(scopes)
        if any(s.startswith("view_") for s in scopes)
        else {*scopes, *DEFAULT_KEY_SCOPES}
    )

    async def work(accounts: Accounts) -> str:
        _, key = await accounts.create_api_key(name, wanted, expires_at)
        return key

    click.echo(_with_accounts(config_path, work))


@api_key.command("list")
@CONFIG
def api_key_list(config_path: str | None) -> None:
    """List the keys, without their secrets."""

    async def work(accounts: Accounts) -> None:
        for key in await accounts.list_api_keys():
            expired = key.expires_at is not None and key.expires_at <= now()
            state = "revoked" if key.revoked_at else "expired" if expired else "active"
            expiry = f"{key.expires_at:%Y-%m-%d}" if key.expires_at else "never expires"
            click.echo(f"{key.id}\t{key.name}\t{state}\t{expiry}\t{','.join(key.scopes)}")

    _with_accounts(config_path, work)


@api_key.command("revoke")
@click.argument("key_id", metavar="ID")
@CONFIG
def api_key_revoke(key_id: str, config_path: str | None) -> None:
    """End a key: it is refused within seconds, its sockets close."""
    _with_accounts(config_path, lambda accounts: accounts.revoke_api_key(key_id))
    click.echo(f"revoked {key_id}")


@cli.group("config")
def config_group() -> None:
    """Look at the configuration."""


@config_group.command("check")
@click.argument("path", required=False, metavar="[FILE]")
def config_check(path: str | None) -> None:
    """Print what is in force, secrets masked."""
    config = Config.load(path)
    described = {"dashboard_api": config.describe()}
    click.echo(yaml.safe_dump(described, sort_keys=False), nl=False)
    Backend(config, {})  # opens nothing; refuses what cannot be had


@cli.command()
@CONFIG
def migrate(config_path: str | None) -> None:
    """Bring the database's schema up to date."""

    async def work() -> str:
        engine = engine_from(Config.load(config_path).database)
        await engine.open()
        await engine.close()
        return engine.location

    click.echo(f"{run(work())} is up to date")


@cli.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    from alphapulse_api.docs.openapi import openapi_document
    from alphapulse_api.encoding import dumps
    from alphapulse_api.routes.table import ROWS

    click.echo(dumps(openapi_document(ROWS, "/")))


@cli.command()
def asyncapi() -> None:
    """Print the AsyncAPI document."""
    from alphapulse_api.docs.asyncapi import asyncapi_document
    from alphapulse_api.encoding import dumps

    click.echo(dumps(asyncapi_document("127.0.0.1:8080", "")))


def _serve(config_path: str | None, host: str | None, port: int | None) -> None:
    from alphapulse_api.dashboard import Dashboard
    from alphapulse_api.logs import configure_logging

    config = Config.load(config_path)
    if host is not None:
        config = replace(config, host=host)
    if port is not None:
        config = replace(config, port=port)
    configure_logging(config.logging)

    async def work() -> None:
        stopped = asyncio.Event()
        on_stop(stopped.set)
        async with Dashboard(config) as dashboard:
            pages = [f"API at {dashboard.url}/docs"] if config.docs.enabled else []
            if (console := dashboard.console_url) is not None:
                pages.append(f"console at {console}")
            told = f" ({', '.join(pages)})" if pages else ""
            click.echo(f"alphapulse_api: serving {dashboard.url}{told}", err=True)
            await stopped.wait()
        click.echo("alphapulse_api: stopped", err=True)

    tune()
    run(work())


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


def _expiry(expires: str | None) -> datetime | None:
    if expires is None:
        return None
    try:
        seconds = parse_duration(expires)
        expires_at = now() + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        raise AccountError("--expires must be a duration such as 90d or 12h") from None
    if not seconds:
        raise AccountError("--expires 0: such a key would never be valid")
    return expires_at


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password
