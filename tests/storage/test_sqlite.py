"""What is SQLite's own: its file, its threads, its one connection that writes."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.sqlite.engine import SQLiteEngine
from tests import view
from tests.engines import files, opened
from tests.units import COUNT, adds, stored


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[SQLiteEngine]:
    async with opened(tmp_path / "store.db") as engine:
        yield engine


async def test_a_write_is_on_disk_before_it_is_answered(engine: SQLiteEngine) -> None:
    await engine.write(adds("a"))
    (writer,) = view.connections(engine)
    assert writer.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other = sqlite3.connect(engine.location)
    assert other.execute(COUNT).fetchone() == (1,)
    other.close()


async def test_a_work_that_awaits_anything_else_is_refused(engine: SQLiteEngine) -> None:
    closed = []

    async def wanders(transaction: Transaction) -> None:
        try:
            await adds("half")(transaction)
            await asyncio.sleep(0)
        finally:
            closed.append(True)

    with pytest.raises(RuntimeError, match="only its transaction"):
        await engine.write(wanders)
    assert closed == [True]
    assert await stored(engine) == []
    assert await engine.write(adds("next")) == "next"


async def test_a_closed_engine_leaves_one_file_and_opens_again(tmp_path: Path) -> None:
    engine = SQLiteEngine(str(tmp_path / "store.db"))
    for round_ in range(2):
        await engine.open()
        await engine.write(adds(f"{round_}"))
        assert await engine.fetch(COUNT) == [(round_ + 1,)]
        await engine.close()
        assert files(tmp_path) == ["store.db"]


async def test_a_path_is_relative_to_where_the_process_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    async with opened(Path("odd name?%41#.db")) as engine:
        os.chdir("elsewhere")
        await engine.write(adds("a"))
        assert await engine.fetch(COUNT) == [(1,)]
    assert files(tmp_path) == ["elsewhere", "odd name?%41#.db"]
    assert files(tmp_path / "elsewhere") == []


async def test_a_file_that_was_taken_away_is_an_outage_not_an_empty_store(
    engine: SQLiteEngine,
) -> None:
    folder = Path(engine.location).parent
    for name in files(folder):
        (folder / name).unlink()
    with pytest.raises(Unavailable, match="cannot be opened"):
        await engine.fetch(COUNT)
    with pytest.raises(Unavailable, match="moved or deleted"):
        await engine.write(adds("nowhere"))
    assert files(folder) == []
