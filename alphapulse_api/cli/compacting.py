"""The command `compact`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import click

from alphapulse_api.cli.options import CONFIG
from alphapulse_api.config import Config
from alphapulse_api.domain.errors import StartupError
from alphapulse_api.runtime.tuning import run
from alphapulse_api.storage.engines import engine_from
from alphapulse_api.storage.sqlite.compaction import MIB, Compaction, Sizes
from alphapulse_api.storage.sqlite.engine import SQLiteEngine
from alphapulse_api.storage.sqlite.files import ServerLock

PROGRESS_SECONDS: Final = 2.0
LOCK_SECONDS: Final = 0.5


@click.command()
@CONFIG
def compact(config_path: str | None) -> None:
    """Rewrite the SQLite file without its free pages, while nothing uses it."""
    engine = engine_from(Config.load(config_path).database)
    if not isinstance(engine, SQLiteEngine):
        raise StartupError(
            "compact is for SQLite files; PostgreSQL reuses free space after its autovacuum, and "
            "VACUUM FULL or pg_repack return it to the file system"
        )
    path = engine.path
    if not path.is_file():
        raise StartupError(f"database.url: there is no file {path}")
    sizes = run(_compacting(path))
    before, after = (f"{size / MIB:.1f} MiB" for size in sizes)
    click.echo(f"{path} took {before} and takes {after}")


async def _compacting(path: Path) -> Sizes:
    lock = ServerLock(path)
    await lock.acquire(LOCK_SECONDS)
    compaction = Compaction(path)
    running = asyncio.create_task(asyncio.to_thread(compaction.run))
    try:
        while not (await asyncio.wait({running}, timeout=PROGRESS_SECONDS))[0]:
            click.echo(f"{compaction.share:.0%} of {compaction.expected / MIB:.1f} MiB are copied")
        return await running
    except asyncio.CancelledError:
        compaction.interrupt()
        await asyncio.wait({running})
        raise
    finally:
        lock.release()
