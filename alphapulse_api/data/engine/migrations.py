"""The schema's versions: numbered SQL files, applied in order, each in a transaction of its own.

The files are shared by the engines; `{time}`, `{decimal}`, `{json}` and the like stand for each
engine's own column types.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple


class Migration(NamedTuple):
    """One step of the schema, as single statements."""

    version: int
    name: str
    statements: tuple[str, ...]


def migrations(types: Mapping[str, str]) -> list[Migration]:
    """Every migration, oldest first, with the engine's column types filled in."""
    steps = []
    folder = resources.files("alphapulse_api.data") / "migrations"
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if match := re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name):
            text = re.sub(r"--[^\n]*", "", file.read_text(encoding="utf-8")).format_map(types)
            statements = tuple(s.strip() for s in text.split(";") if s.strip())
            steps.append(Migration(int(match[1]), match[2], statements))
    return steps
