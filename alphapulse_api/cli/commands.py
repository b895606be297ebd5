"""The commands: each parses its arguments and calls the library; errors are one line."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from typing import Final

import click
import yaml

from alphapulse_api.auth.grants import AccountError
from alphapulse_api.cli.actor import os_user
from alphapulse_api.cli.audit import audit
from alphapulse_api.cli.compacting import compact
from alphapulse_api.cli.notify import notify
from alphapulse_api.cli.options import CONFIG, HOST, PORT
from alphapulse_api.cli.users import api_key, user
from alphapulse_api.config import Config
from alphapulse_api.domain.deeds import Deed
from alphapulse_api.domain.errors import ConfigError, StartupError, Unavailable
from alphapulse_api.domain.version import VERSION
from alphapulse_api.parts import check_parts
from alphapulse_api.projections.outcomes.rebuild import rebuild as rebuild_outcomes
from alphapulse_api.projections.pnl.rebuild import rebuild as rebuild_pnl
from alphapulse_api.projections.usage import rebuild as rebuild_usage
from alphapulse_api.runtime.tuning import freeze_heap, on_stop, run, tune
from alphapulse_api.storage.backfills import progress, run_backfills
from alphapulse_api.storage.engines import engine_from
from alphapulse_api.storage.tables.audit import AuditDataAccessor

PROGRESS_SECONDS: Final = 2.0  # between two reports of `migrate`
REBUILDS: Final = {
    "pnl": (rebuild_pnl, "symbols"),
    "signal_outcomes": (rebuild_outcomes, "signals"),
    "usage": (rebuild_usage, "days"),
}
THERE: Final = "http://127.0.0.1:8080"  # the server in the documents: one with the defaults


def main() -> None:
    """Run a command; an error that the user can fix is one line, not a traceback."""
    try:
        cli()
    except ConfigError as error:
        for fault in error.faults:
            click.echo(f"alphapulse_api: {fault}", err=True)
        sys.exit(1)
    except (StartupError, AccountError) as error:
        click.echo(f"alphapulse_api: {error}", err=True)
        sys.exit(1)
    except Unavailable as error:
        click.echo(f"alphapulse_api: {error.detail}", err=True)
        sys.exit(1)


@click.group(invoke_without_command=True)
@click.version_option(VERSION)
@CONFIG
@HOST
@PORT
@click.pass_context
def cli(
    context: click.Context, config_path: str | None, host: str | None, port: int | None
) -> None:
    """The backend of a live trading dashboard. Without a command: serve."""
    if context.invoked_subcommand is None:
        _serve(config_path, host, port)
    elif (config_path, host, port) != (None, None, None):
        # Ignoring them would silently use another database.
        raise click.UsageError(f"put the options after the command: {context.invoked_subcommand}")


@cli.command()
@CONFIG
@HOST
@PORT
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
    help="Trading days per second.",
)
@click.option(
    "--fresh", is_flag=True, help="Start again instead of continuing where the demo stopped."
)
@click.option(
    "--database",
    default="alphapulse-demo.db",
    show_default=True,
    help="The file in which the demo stores its data.",
)
def demo(port: int, speed: float, fresh: bool, database: str) -> None:
    """Replay real prices through a small trading process, live."""
    from alphapulse_api.demo.command import run as run_demo

    tune()
    run(run_demo(port=port, speed=speed, fresh=fresh, database=database))


cli.add_command(user)
cli.add_command(api_key)
cli.add_command(compact)
cli.add_command(notify)
cli.add_command(audit)


@cli.group("config")
def config_group() -> None:
    """Check the configuration."""


@config_group.command("check")
@click.argument("path", required=False, metavar="[FILE]")
def config_check(path: str | None) -> None:
    """Print the configuration in force with secrets masked, or every fault in it."""
    config = Config.load(path)
    described = {"dashboard_api": config.describe()}
    click.echo(yaml.safe_dump(described, sort_keys=False), nl=False)
    check_parts(config)


@cli.command()
@CONFIG
def migrate(config_path: str | None) -> None:
    """Migrate the database to the current schema, and all its rows."""

    async def work() -> str:
        engine = engine_from(Config.load(config_path).database)
        await engine.open()
        try:
            migrating = asyncio.create_task(run_backfills(engine))
            while not (await asyncio.wait({migrating}, timeout=PROGRESS_SECONDS))[0]:
                for table, share in (await progress(engine)).items():
                    click.echo(f"{table}: {share:.0%} of the rows are migrated")
            await migrating
        finally:
            await engine.close()
        return engine.location

    click.echo(f"{run(work())} is up to date")


@cli.command("mcp")
@click.option("--url", default=THERE, show_default=True, help="The dashboard to read.")
@click.option(
    "--http",
    "port",
    type=click.IntRange(0, 65535),
    help="Serve over HTTP on this port of the loopback address; 0 picks a free one.",
)
def mcp_command(url: str, port: int | None) -> None:
    """Let language models read a dashboard (Model Context Protocol), by default over stdio.

    Over stdio the API key in AP_API_KEY is used. Over HTTP each request brings its own key.
    """
    try:
        from alphapulse_api.mcp.server import KEY_VARIABLE, serve_http, serve_stdio
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mcp":
            raise
        raise StartupError(
            "mcp needs a package that is not installed: pip install 'alphapulse-api[mcp]'"
        ) from None
    if port is not None:
        asyncio.run(serve_http(url, port))
        return
    key = os.environ.get(KEY_VARIABLE)
    if not key:
        raise StartupError(f"set the environment variable {KEY_VARIABLE} to an API key")
    asyncio.run(serve_stdio(url, key))


@cli.command()
@click.argument("name", type=click.Choice(list(REBUILDS)))
@CONFIG
def rebuild(name: str, config_path: str | None) -> None:
    """Compute a projection again from the stored records, also beside a running server."""
    remake, noun = REBUILDS[name]

    async def work() -> int:
        engine = engine_from(Config.load(config_path).database)
        await engine.open()
        try:
            await run_backfills(engine)
            count = await remake(engine)
            after = {"rows": count}
            deed = Deed(os_user(), "projection.rebuild", name, after=after)
            await AuditDataAccessor(engine).add(deed)
            return count
        finally:
            await engine.close()

    click.echo(f"{name} is rebuilt: {run(work())} {noun}")


@cli.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    from alphapulse_api.domain.encoding import dumps
    from alphapulse_api.http.route_table import ROWS
    from alphapulse_api.http.spec.openapi import openapi_document

    click.echo(dumps(openapi_document(ROWS, THERE)))


@cli.command()
def asyncapi() -> None:
    """Print the AsyncAPI document."""
    from alphapulse_api.domain.encoding import dumps
    from alphapulse_api.http.spec.asyncapi import asyncapi_document

    click.echo(dumps(asyncapi_document(THERE)))


def _serve(config_path: str | None, host: str | None, port: int | None) -> None:
    from alphapulse_api.dashboard import Dashboard
    from alphapulse_api.runtime.logs import configure_logging

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
            shown = f" ({', '.join(pages)})" if pages else ""
            click.echo(f"alphapulse_api: serving {dashboard.url}{shown}", err=True)
            freeze_heap()
            await stopped.wait()
        click.echo("alphapulse_api: stopped", err=True)

    tune()
    run(work())
