"""The command `audit`."""

from __future__ import annotations

import click

from alphapulse_api.cli.options import CONFIG
from alphapulse_api.config import Config
from alphapulse_api.domain.deeds import ACTIONS
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.runtime.tuning import run
from alphapulse_api.storage.engines import engine_from
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.tables.audit import AuditDataAccessor


@click.command()
@click.option("--actor", metavar="NAME", help="Who did it.")
@click.option(
    "--action",
    "actions",
    type=click.Choice(sorted(ACTIONS)),
    multiple=True,
    metavar="ACTION",
    help="What was done, such as user.login; repeatable.",
)
@click.option("--target", metavar="ID", help="What it was done to.")
@click.option("--address", help="Where the request came from.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Entries."
)
@CONFIG
def audit(
    actor: str | None,
    actions: tuple[str, ...],
    target: str | None,
    address: str | None,
    limit: int,
    config_path: str | None,
) -> None:
    """Print who did what, newest first, a line of JSON an entry."""

    async def found() -> Page:
        engine = engine_from(Config.load(config_path).database)
        await engine.open()
        try:
            return await AuditDataAccessor(engine).get_audit(
                actor=actor, action=actions or None, target=target, address=address, limit=limit
            )
        finally:
            await engine.close()

    for entry in run(found()):
        click.echo(dumps(entry))
