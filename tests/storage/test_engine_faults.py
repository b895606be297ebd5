"""The SQLite engine where things go wrong: foreign files, full disks, other processes."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api.domain.errors import StartupError, Unavailable
from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.sqlite import engine as sqlite_engine
from alphapulse_api.storage.sqlite.engine import SQLiteEngine
from tests import view
from tests.engines import opened


def adds(name: str, size: int = 2) -> Any:
    """A unit of work that stores one agent of about that many bytes."""

    async def work(transaction: Transaction) -> str:
        await transaction.execute(
            "INSERT INTO agents (agent_id, agent_type, state, metrics, updated_at) "
            "VALUES ($1, 'momentum', 'active', $2, 0)",
            name,
            "x" * size,
        )
        return name

    return work


def run(script: str, *args: object, **kwargs: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, args)],
        stdout=subprocess.PIPE,
        text=True,
        **kwargs,
    )


OPEN_AT_ONCE = """
import asyncio, sys
from alphapulse_api.storage.sqlite.engine import SQLiteEngine
async def main():
    print("ready", flush=True)
    for path in sys.stdin:
        engine = SQLiteEngine(path.strip())
        try:
            await engine.open()
            (row,) = await engine.fetch("SELECT count(*) FROM auth_version")
            print(row[0], flush=True)
            await engine.close()
        except Exception as error:
            print(repr(error), flush=True)
asyncio.run(main())
"""


def test_two_processes_may_make_the_same_new_file_at_once(tmp_path: Path) -> None:
    with ExitStack() as stack:
        processes = [
            stack.enter_context(run(OPEN_AT_ONCE, stdin=subprocess.PIPE)) for _ in range(3)
        ]
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * 3
        for number in range(15):
            for process in processes:
                process.stdin.write(f"{tmp_path}/{number}.db\n")
                process.stdin.flush()
            assert [process.stdout.readline() for process in processes] == ["1\n"] * 3


WRITE_MANY = """
import asyncio, sys
from alphapulse_api.storage.sqlite.engine import SQLiteEngine
async def main():
    engine = SQLiteEngine(sys.argv[1])
    await engine.open()
    async def one(name):
        async def work(transaction):
            await transaction.execute(
                "INSERT INTO agents (agent_id, agent_type, state, metrics, updated_at) "
                "VALUES ($1, 't', 'active', '{}', 0)", name)
        await engine.write(work)
    async def writer(prefix):
        for number in range(10):
            await one(f"{prefix}-{number}")
    await asyncio.gather(*(writer(f"{sys.argv[2]}-{w}") for w in range(8)))
    await engine.close()
asyncio.run(main())
"""


async def test_two_processes_write_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with ExitStack() as stack:
        processes = [
            stack.enter_context(run(WRITE_MANY, path, name, stderr=subprocess.STDOUT))
            for name in "ab"
        ]
        assert [process.communicate(timeout=60)[0] for process in processes] == ["", ""]
    async with opened(path) as engine:
        assert await engine.fetch("SELECT count(*) FROM agents") == [(160,)]
        assert await engine.fetch("PRAGMA integrity_check") == [("ok",)]


async def test_a_write_that_another_process_blocks_for_too_long_is_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_engine, "BUSY_SECONDS", 0.05)
    async with opened(tmp_path / "store.db") as engine:
        holder = sqlite3.connect(engine.location, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked by another process") as refused:
            await engine.write(adds("a"))
        assert refused.value.headers["Retry-After"]
        assert await engine.fetch("SELECT count(*) FROM agents") == [(0,)]
        holder.execute("ROLLBACK")
        holder.close()
        assert await engine.write(adds("a")) == "a"


async def test_what_no_longer_fits_is_refused_whole_and_what_was_answered_is_there(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path / "store.db") as engine:
        (writer,) = view.connections(engine)
        (pages,) = writer.execute("PRAGMA page_count").fetchone()
        writer.execute(f"PRAGMA max_page_count = {pages + 20}")

        async def pair(name: str) -> list[str]:
            async def work(transaction: Transaction) -> list[str]:
                return [await adds(f"{name}{half}", 10_000)(transaction) for half in "ab"]

            return await engine.write(work)

        for number in range(2):
            await pair(f"stored {number}")
        results = await asyncio.gather(*(pair(f"{i}") for i in range(30)), return_exceptions=True)
        assert all(isinstance(r, Unavailable) and "disk is full" in r.detail for r in results)
        found = await engine.fetch("SELECT agent_id FROM agents ORDER BY agent_id")
        assert [row[0] for row in found] == ["stored 0a", "stored 0b", "stored 1a", "stored 1b"]
        writer.execute("PRAGMA max_page_count = 100000")
        assert await pair("room again") == ["room againa", "room againb"]
        assert await engine.fetch("PRAGMA integrity_check") == [("ok",)]


FILL_THE_DISK = """
import asyncio, json, os, resource, sys
sys.path.insert(0, sys.argv[2])
from alphapulse_api.domain.errors import Unavailable
from tests.storage.test_engine_faults import adds
from tests.engines import opened
async def main():
    async with opened(sys.argv[1]) as engine:
        await engine.write(adds("before"))
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(sys.argv[1] + "-wal"), hard))
        works = [adds(f"{i}", int(sys.argv[3])) for i in range(40)]
        refused = await asyncio.gather(*map(engine.write, works), return_exceptions=True)
        seen = await engine.fetch("SELECT agent_id FROM agents")
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        await engine.write(adds("after"))
        left = await engine.fetch("SELECT agent_id FROM agents ORDER BY agent_id")
        check = await engine.fetch("PRAGMA integrity_check")
    print(json.dumps({
        "refused": [isinstance(r, Unavailable) and r.detail for r in refused],
        "seen": [row[0] for row in seen], "left": [row[0] for row in left], "check": check,
    }))
asyncio.run(main())
"""


@pytest.mark.parametrize("size", [100_000, 600_000], ids=["at the commit", "before the commit"])
def test_a_disk_that_takes_no_more_refuses_every_write_and_heals(tmp_path: Path, size: int) -> None:
    """The larger size overflows the page cache, so that SQLite writes in mid-transaction."""
    root = Path(__file__).parents[2]
    with run(FILL_THE_DISK, tmp_path / "store.db", root, size) as process:
        answer = json.loads(process.communicate(timeout=60)[0])
    assert set(answer["refused"]) == {
        "The database is unavailable: the disk reports an input/output error."
    }
    assert answer["seen"] == ["before"]
    assert answer["left"] == ["after", "before"]
    assert answer["check"] == [["ok"]]


async def test_a_failed_start_leaves_no_thread_and_no_connection(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be looked at " * 50)
    engine = SQLiteEngine(str(path))
    with pytest.raises(StartupError):
        await engine.open()
    assert view.connections(engine) == []
    with pytest.raises(Unavailable):
        await engine.fetch("SELECT 1")
    await engine.close()
