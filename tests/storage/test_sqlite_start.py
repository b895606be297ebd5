"""The start of the SQLite engine: foreign, newer, read-only and contested files."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from pathlib import Path

import pytest

from alphapulse_api.domain.errors import StartupError
from alphapulse_api.storage.schema_versions import migrations
from alphapulse_api.storage.sqlite import engine as sqlite_engine
from alphapulse_api.storage.sqlite.schema import COLUMN_TYPES
from tests.engines import files, opened
from tests.storage.test_engine_faults import run

NEWEST = migrations(COLUMN_TYPES)[-1].version


async def refusal(path: Path) -> str:
    """The one line that opening this path ends with."""
    with pytest.raises(StartupError) as refused:
        async with opened(path):
            pass
    line = str(refused.value)
    assert line.startswith("database.url: ")
    assert str(path) in line
    assert "\n" not in line
    return line


async def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE notes (text TEXT)")
    theirs.close()
    before = path.read_bytes()
    assert "another program" in await refusal(path)
    assert path.read_bytes() == before
    assert files(tmp_path) == ["theirs.db"]


async def test_another_programs_empty_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as theirs:
        theirs.execute("PRAGMA application_id = 1234")
    theirs.close()
    assert "another program" in await refusal(path)


async def test_a_text_file_is_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("buy low, sell high\n" * 100)
    assert "not a database" in await refusal(path)
    assert path.read_text().startswith("buy low")


async def test_a_newer_schema_is_refused_by_number(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with opened(path):
        pass
    with sqlite3.connect(path) as newer:
        newer.execute(f"PRAGMA user_version = {NEWEST + 1}")
    newer.close()
    line = await refusal(path)
    assert f"schema {NEWEST + 1}" in line
    assert "newer release" in line


async def test_a_directory_and_a_missing_directory_are_refused(tmp_path: Path) -> None:
    assert "cannot be opened" in await refusal(tmp_path)
    assert "cannot be opened" in await refusal(tmp_path / "missing" / "store.db")


async def test_a_database_that_another_process_holds_is_refused_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_engine, "BUSY_SECONDS", 0.05)
    path = tmp_path / "store.db"
    async with opened(path):
        pass
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert "locked by another process" in await refusal(path)
    holder.close()


OPEN_WITHOUT_RIGHTS = """
import asyncio, os, sys
from alphapulse_api.storage.sqlite.engine import SQLiteEngine
from alphapulse_api.domain.errors import StartupError
if os.geteuid() == 0:
    os.seteuid(65534)  # root may write anywhere
async def main():
    for path in sys.argv[1:]:
        try:
            await SQLiteEngine(path).open()
        except StartupError as error:
            print(error)
asyncio.run(main())
"""


def test_a_read_only_directory_and_file_are_refused() -> None:
    # Not tmp_path: nobody but its owner may enter that.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asyncio.run(_make(folder / "old.db"))
        os.chmod(folder / "old.db", 0o444)
        os.chmod(folder, 0o555)
        with run(OPEN_WITHOUT_RIGHTS, folder / "new.db", folder / "old.db") as process:
            lines = process.communicate(timeout=30)[0].splitlines()
        os.chmod(folder, 0o755)
    assert len(lines) == 2
    assert "new.db: the database file cannot be opened" in lines[0]
    assert "old.db: the database is read-only" in lines[1]


async def _make(path: Path) -> None:
    async with opened(path):
        pass


async def test_migrations_run_once(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    for _ in range(2):
        async with opened(path) as engine:
            assert await engine.fetch("PRAGMA user_version") == [(NEWEST,)]
            assert await engine.fetch("SELECT version FROM auth_version") == [(1,)]
