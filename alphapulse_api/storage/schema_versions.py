"""The schema's versions: numbered SQL files, applied in order, each in a transaction of its own.

The files are shared by the engines; `{time}`, `{decimal}`, `{json}` and the like stand for each
engine's own column types. Python code of a version does what SQL cannot do, in the same
transaction. Each engine changes primary keys, and guards tables that are only appended to, in its
own way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import NamedTuple

from alphapulse_api.domain.errors import StartupError
from alphapulse_api.storage.append_only import APPEND_ONLY, AppendOnly
from alphapulse_api.storage.engine.base import Work
from alphapulse_api.storage.metrics.rollups.backfill import roll_up_all
from alphapulse_api.storage.outbox_order import keep_in_order
from alphapulse_api.storage.rekeyed import REKEYED, Rekeyed
from alphapulse_api.storage.tables.main_book import open_main
from alphapulse_api.storage.tables.marked_trades import mark_later
from alphapulse_api.storage.tables.signal_index import index_by_agent
from alphapulse_api.storage.tables.user_names import fill_name_keys


class Migration(NamedTuple):
    """One step of the schema: SQL statements, optional work in Python, new keys, new guards."""

    version: int
    name: str
    statements: tuple[str, ...]
    work: Work[None] | None
    rekeyed: Sequence[Rekeyed]
    append_only: Sequence[AppendOnly]


_WORK: Mapping[int, Work[None]] = {
    2: roll_up_all,
    9: fill_name_keys,
    21: open_main,
    25: mark_later,
    33: index_by_agent,
    34: keep_in_order,
}


def migrations(types: Mapping[str, str]) -> list[Migration]:
    """Every migration, oldest first, with the engine's column types filled in."""
    steps = []
    folder = resources.files("alphapulse_api.storage") / "migrations"
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if match := re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name):
            text = re.sub(r"--[^\n]*", "", file.read_text(encoding="utf-8")).format_map(types)
            statements = tuple(s.strip() for s in text.split(";") if s.strip())
            version = int(match[1])
            work, rekeyed = _WORK.get(version), REKEYED.get(version, ())
            append_only = APPEND_ONLY.get(version, ())
            steps.append(Migration(version, match[2], statements, work, rekeyed, append_only))
    return steps


def unseen(steps: Sequence[Migration], version: int, location: str) -> list[Migration]:
    """The pending steps of a database with that version.

    Raises:
        StartupError: if a newer release has migrated the database.
    """
    newest = steps[-1].version
    if version > newest:
        raise StartupError(
            f"database.url: {location} has schema {version}, made by a newer release; "
            f"this one knows schemas up to {newest}"
        )
    return [step for step in steps if step.version > version]
