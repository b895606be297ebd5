"""The SQLite engine: commits in groups, undoes a unit alone, reads beside writes, closes clean."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alphapulse_api.data.engine import Transaction
from alphapulse_api.data.engine.group import GROUP_LIMIT
from alphapulse_api.data.engine.sqlite import SQLiteEngine
from alphapulse_api.errors import Unavailable
from tests.storage import files, opened

COUNT = "SELECT count(*) FROM agents"


def adds(name: str) -> object:
    """A unit of work that stores one agent."""

    async def work(transaction: Transaction) -> str:
        await transaction.execute(
            "INSERT INTO agents (agent_id, agent_type, state, metrics, updated_at) "
            "VALUES ($1, 'momentum', 'active', '{}', 0)",
            name,
        )
        return name

    return work


class Held:
    """A unit of work that stays in its transaction until released."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._entered = asyncio.Event()

    async def __call__(self, transaction: Transaction) -> None:
        await adds("held")(transaction)
        self._loop.call_soon_threadsafe(self._entered.set)
        assert self.release.wait(30)

    async def entered(self) -> None:
        await asyncio.wait_for(self._entered.wait(), 30)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[SQLiteEngine]:
    async with opened(tmp_path / "store.db") as engine:
        yield engine


@pytest.fixture
async def commits(engine: SQLiteEngine) -> list[str]:
    """The COMMIT statements that the writer's connection has run, as SQLite itself traces them."""
    seen: list[str] = []
    (writer,) = engine._connections

    def trace(statement: str) -> None:
        if statement == "COMMIT":
            seen.append(statement)

    writer.set_trace_callback(trace)
    return seen


async def agents(engine: SQLiteEngine) -> list[str]:
    return [row[0] for row in await engine.fetch("SELECT agent_id FROM agents ORDER BY agent_id")]


async def test_writes_that_gather_during_a_write_share_the_next_commit(
    engine: SQLiteEngine, commits: list[str]
) -> None:
    held = Held()
    first = asyncio.create_task(engine.write(held))
    await held.entered()
    others = [asyncio.create_task(engine.write(adds(f"a{i:03}"))) for i in range(300)]
    await asyncio.sleep(0)
    assert engine.waiting == 301
    held.release.set()
    await first
    assert await asyncio.gather(*others) == [f"a{i:03}" for i in range(300)]
    assert len(commits) == 2
    assert engine.waiting == 0
    assert len(await agents(engine)) == 301


async def test_a_group_is_bounded(engine: SQLiteEngine, commits: list[str]) -> None:
    held = Held()
    first = asyncio.create_task(engine.write(held))
    await held.entered()
    others = [asyncio.create_task(engine.write(adds(f"{i}"))) for i in range(GROUP_LIMIT + 1)]
    await asyncio.sleep(0)
    held.release.set()
    await asyncio.gather(first, *others)
    assert len(commits) == 3


async def test_a_write_is_on_disk_before_it_is_answered(engine: SQLiteEngine) -> None:
    await engine.write(adds("a"))
    (writer,) = engine._connections
    assert writer.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other = sqlite3.connect(engine.location)
    assert other.execute(COUNT).fetchone() == (1,)
    other.close()


async def test_a_failing_unit_undoes_only_itself(engine: SQLiteEngine, commits: list[str]) -> None:
    async def fails(transaction: Transaction) -> None:
        await adds("half")(transaction)
        raise KeyError("no")

    async def breaks_the_schema(transaction: Transaction) -> None:
        await adds("other half")(transaction)
        await transaction.execute("INSERT INTO agents (agent_id) VALUES ('z')")

    held = Held()
    first = asyncio.create_task(engine.write(held))
    await held.entered()
    works = (adds("a"), fails, adds("b"), breaks_the_schema, adds("a"), adds("c"))
    group = asyncio.gather(*(engine.write(w) for w in works), return_exceptions=True)
    await asyncio.sleep(0)
    held.release.set()
    await first
    a, failed, b, broken, twice, c = await group
    assert (a, b, c) == ("a", "b", "c")
    assert isinstance(failed, KeyError)
    # Faults of the statement are not dressed up as an outage.
    assert isinstance(broken, sqlite3.IntegrityError)
    assert isinstance(twice, sqlite3.IntegrityError)
    assert await agents(engine) == ["a", "b", "c", "held"]
    assert len(commits) == 2


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
    assert await agents(engine) == []
    assert await engine.write(adds("next")) == "next"


async def test_reads_do_not_wait_behind_a_write(engine: SQLiteEngine) -> None:
    held = Held()
    writing = asyncio.create_task(engine.write(held))
    await held.entered()
    answers = await asyncio.wait_for(asyncio.gather(*(engine.fetch(COUNT) for _ in range(20))), 5)
    assert {answer[0][0] for answer in answers} == {0}
    assert not writing.done()
    held.release.set()
    await writing
    assert await engine.fetch(COUNT) == [(1,)]


async def test_reading_connections_cannot_write(engine: SQLiteEngine) -> None:
    with pytest.raises(Unavailable, match="read-only"):
        await engine.fetch("DELETE FROM agents")


async def test_a_writer_that_goes_away_is_stored_all_the_same(engine: SQLiteEngine) -> None:
    held = Held()
    first = asyncio.create_task(engine.write(held))
    await held.entered()
    leaving = asyncio.create_task(engine.write(adds("left")))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    held.release.set()
    await first
    assert await engine.write(adds("next")) == "next"
    assert await agents(engine) == ["held", "left", "next"]


async def test_close_finishes_the_writes_it_accepted_and_refuses_later_ones(
    tmp_path: Path,
) -> None:
    engine = SQLiteEngine(str(tmp_path / "store.db"))
    await engine.open()
    held = Held()
    accepted = [asyncio.create_task(engine.write(held))]
    await held.entered()
    accepted += [asyncio.create_task(engine.write(adds(f"{i}"))) for i in range(50)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(engine.close())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="closed"):
        await asyncio.wait_for(engine.write(adds("late")), 5)
    held.release.set()
    await closing
    await asyncio.gather(*accepted)
    with pytest.raises(Unavailable, match="closed"):
        await engine.fetch(COUNT)
    await engine.close()  # twice is once
    async with opened(tmp_path / "store.db") as again:
        assert await again.fetch(COUNT) == [(51,)]


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
    with pytest.raises(Unavailable, match="taken away"):
        await engine.write(adds("nowhere"))
    assert files(folder) == []
