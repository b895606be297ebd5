"""New, empty databases of both engines, for entries that compare sizes."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop

from tests.postgres import server as postgres_server

New = Callable[[], Awaitable[str]]
"""Makes a database, and returns its URL."""


def add_engine_option(parser: argparse.ArgumentParser) -> None:
    """The option that chooses one engine."""
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), help="only this one")


def on_each_engine(
    engine: str | None, measure: Callable[[str, New], Coroutine[Any, Any, None]]
) -> None:
    """Measure on SQLite and on PostgreSQL, or on the one that was chosen.

    Args:
        engine: the value of the option.
        measure: takes the engine's name, for a heading, and what makes databases.
    """
    if engine in (None, "sqlite"):
        with tempfile.TemporaryDirectory() as folder:
            uvloop.run(measure("SQLite", _files(Path(folder))))
    if engine in (None, "postgresql"):
        with postgres_server("") as postgres:
            uvloop.run(measure("PostgreSQL", postgres.new))


def _files(folder: Path) -> New:
    async def new() -> str:
        return f"sqlite:///{folder}/{time.monotonic_ns()}.db"

    return new
