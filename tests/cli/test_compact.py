"""`alphapulse-api compact`: the file shrinks and keeps its rows, and an attempt may be killed."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from alphapulse_api.domain.errors import StartupError
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.sqlite.compaction import Compaction
from alphapulse_api.storage.sqlite.engine import SQLiteEngine
from tests.commands import environment, run, serving

ROWS = 2000


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A file of which most pages are free, made before files returned them."""
    path = tmp_path / "alphapulse.db"
    engine = SQLiteEngine(str(path))
    await engine.open()
    await engine.write(_fill)
    await engine.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.execute("PRAGMA auto_vacuum = NONE")
        old.execute("VACUUM")
        old.execute("DELETE FROM system_samples WHERE timestamp >= 10")
    return path


async def _fill(transaction: Transaction) -> None:
    sql = "INSERT INTO system_samples VALUES ('x', $1, 'healthy', $2, NULL)"
    for number in range(ROWS):
        await transaction.execute(sql, number, '{"text": "' + 500 * "x" + '"}')


def _pragma(path: Path, name: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (number,) = connection.execute(f"PRAGMA {name}").fetchone()
        return int(number)


async def _samples(path: Path) -> int:
    engine: Engine = SQLiteEngine(str(path))
    await engine.open()
    try:
        ((count,),) = await engine.fetch("SELECT count(*) FROM system_samples")
        return int(count)
    finally:
        await engine.close()


def _size_and_mode(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mode & 0o777


def _names(path: Path) -> set[str]:
    return {each.name for each in path.parent.glob(f"{path.name}*")}


async def test_the_file_shrinks_and_returns_pages_from_then_on(path: Path, tmp_path: Path) -> None:
    before = _size_and_mode(path)[0]
    path.chmod(0o640)  # noqa: ASYNC240
    done = run(tmp_path, "compact")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{path} took ")
    after, mode = _size_and_mode(path)
    assert (after < before / 2, mode) == (True, 0o640)
    assert _names(path) == {path.name, f"{path.name}.server-lock"}
    assert (_pragma(path, "auto_vacuum"), _pragma(path, "freelist_count")) == (2, 0)
    assert await _samples(path) == 10


async def test_a_running_server_is_named_and_the_file_left_alone(
    path: Path, tmp_path: Path
) -> None:
    async with serving(tmp_path, AP_ADMIN_PASSWORD="a password of the tests") as server:
        done = await asyncio.to_thread(run, tmp_path, "compact")
        assert done.returncode == 1
        assert f"{path} is served by process {server.process.pid} on" in done.stderr
        assert done.stderr.count("\n") == 1
        assert await server.stop() == 0


async def test_another_process_that_has_it_open_is_refused(path: Path, tmp_path: Path) -> None:
    engine = SQLiteEngine(str(path))  # as a writer beside the server
    await engine.open()
    done = await asyncio.to_thread(run, tmp_path, "compact")
    await engine.write(_fill_one)
    await engine.close()
    assert done.returncode == 1
    assert done.stderr.startswith(f"alphapulse_api: another process has {path} open")
    assert await _samples(path) == 11


async def _fill_one(transaction: Transaction) -> None:
    sql = "INSERT INTO system_samples VALUES ('x', 5000, 'healthy', '{}', NULL)"
    await transaction.execute(sql)


async def test_an_attempt_that_was_killed_is_repeated(path: Path, tmp_path: Path) -> None:
    """The process is killed when the copy is complete, before it replaces the file."""
    script = (
        "import os, pathlib, signal\n"
        "from alphapulse_api.storage.sqlite.compaction import Compaction\n"
        "Compaction._swap = lambda self: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"Compaction(pathlib.Path({str(path)!r})).run()\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, env=environment(tmp_path)
    )
    assert await process.wait() == -9
    assert f"{path.name}.compact" in _names(path)
    assert await _samples(path) == 10
    assert (await asyncio.to_thread(run, tmp_path, "compact")).returncode == 0
    assert f"{path.name}.compact" not in _names(path)
    assert await _samples(path) == 10


async def test_a_full_disk_is_said_before_anything_is_copied(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(StartupError, match="takes up to 1 MiB of free space in"):
        Compaction(path).run()
    assert await _samples(path) == 10


def test_rows_that_are_not_migrated_are_refused(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO backfills (name, done, total) VALUES ('trades', 0, 1)")
    with pytest.raises(StartupError, match="run `alphapulse-api migrate` first"):
        Compaction(path).run()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://127.0.0.1/x", "VACUUM FULL or pg_repack"),
        ("sqlite:///missing.db", "there is no file"),
        ("sqlite:///other.db", "is not a database of alphapulse_api"),
    ],
    ids=("postgresql", "missing", "other"),
)
def test_what_cannot_be_compacted_is_one_line(tmp_path: Path, url: str, said: str) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE theirs (x)")
    config = tmp_path / "c.yaml"
    config.write_text(
        f"dashboard_api: {{database: {{url: '{url}'}}, auth: {{jwt_secret: {48 * 'x'}}}}}"
    )
    done = run(tmp_path, "compact", "--config", str(config))
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "missing.db").exists()
