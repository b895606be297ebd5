"""The space that an SQLite file and its log take, after rows were deleted."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path

import pytest

from alphapulse_api.config import RetentionConfig
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.retention import forget, reclaim
from alphapulse_api.storage.sqlite.engine import SQLiteEngine
from alphapulse_api.storage.sqlite.space import KEPT_FREE, LOG_BYTES
from alphapulse_api.storage.steps import Steps
from tests.engines import at, opened
from tests.records import snapshot

PAGE_BYTES = 4096
KEPT = RetentionConfig(portfolio=1.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


def size_of(path: Path) -> int:
    """Bytes of the file."""
    return path.stat().st_size


def log_of(path: Path) -> int:
    """Bytes of the write-ahead log."""
    return path.with_name(f"{path.name}-wal").stat().st_size


async def fill(engine: SQLiteEngine) -> None:
    """Store 20 snapshots of 100 KB each."""
    store = Accessors(engine, 300, {})
    for n in range(20):
        position = {"symbol": "BTC", "note": chr(ord("a") + n) * 100_000}
        await store.portfolio.set_portfolio(snapshot(n, positions=[position]))


async def delete(engine: SQLiteEngine) -> None:
    """Delete the past snapshots, and leave their space in the file."""

    async def work(transaction: Transaction) -> None:
        await transaction.execute(
            "DELETE FROM portfolio_frames "
            "WHERE frame_key < (SELECT frame_key FROM portfolio_current)"
        )

    await engine.write(work)


async def free(engine: SQLiteEngine) -> int:
    """Free pages of the file."""
    ((pages,),) = await engine.fetch("PRAGMA freelist_count")
    return int(pages)


async def test_the_space_of_deleted_rows_is_returned(path: Path) -> None:
    async with opened(path) as engine:
        await engine.truncate_log()
        empty = size_of(path) - PAGE_BYTES * await free(engine)
        await fill(engine)
        await engine.truncate_log()
        filled = size_of(path) - empty
        assert filled > 2_000_000
        await forget(engine, KEPT, at(1000))
        # The newest snapshot is left, and the key frame that it changes.
        assert size_of(path) - empty < filled * 2.4 / 20
        assert log_of(path) == 0
        assert (await engine.fetch("PRAGMA integrity_check"))[0][0] == "ok"


async def test_a_reader_is_not_waited_for_and_keeps_the_log(path: Path) -> None:
    async with opened(path) as engine:
        await fill(engine)
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        count = "SELECT count(*) FROM portfolio_snapshots"
        assert reader.execute(count).fetchone() == (20,)
        assert await forget(engine, KEPT, at(1000)) == {"portfolio": 19}
        assert log_of(path) > 0
        assert reader.execute(count).fetchone() == (20,)
        reader.execute("COMMIT")
        await engine.truncate_log()
        assert log_of(path) == 0
        reader.close()


async def test_a_step_returns_no_more_than_its_bound(path: Path) -> None:
    async with opened(path) as engine:
        await fill(engine)
        await delete(engine)
        before = await free(engine)
        returned = await engine.write(partial(engine.reclaim, size=8 * PAGE_BYTES + 100))
        assert returned == 8 * PAGE_BYTES
        assert await free(engine) == before - 8


async def test_what_an_interrupted_run_left_is_returned_by_the_next(path: Path) -> None:
    async with opened(path) as engine:
        await fill(engine)
        await delete(engine)
        spare = await free(engine)
        await engine.write(partial(engine.reclaim, size=PAGE_BYTES))
    async with opened(path) as engine:
        returned = await reclaim(engine, Steps(engine, 10 * PAGE_BYTES))
        ((pages,),) = await engine.fetch("PRAGMA page_count")
        assert await free(engine) == int(pages * KEPT_FREE)
        assert returned == PAGE_BYTES * (spare - 1 - await free(engine))
        assert await reclaim(engine, Steps(engine)) == 0


async def test_a_file_that_cannot_return_pages_uses_them_again(path: Path) -> None:
    async with opened(path) as engine:
        await fill(engine)
    with sqlite3.connect(path, isolation_level=None) as old:
        old.execute("PRAGMA auto_vacuum = NONE")
        old.execute("VACUUM")
    old.close()
    async with opened(path) as engine:
        full = size_of(path)
        assert await forget(engine, KEPT, at(1000)) == {"portfolio": 19}
        assert await free(engine) > 400
        await fill(engine)
        await engine.truncate_log()
        # The key frame of the snapshot that was kept is there, beside those of the new ones. It
        # takes 25 pages; the narrow rows of new snapshots take others.
        assert size_of(path) <= full + 28 * PAGE_BYTES


async def test_deleted_rows_do_not_go_through_the_log(path: Path) -> None:
    async with opened(path) as engine:
        await fill(engine)
        await engine.truncate_log()
        await delete(engine)
        assert log_of(path) < 500_000  # of 1,900,000 bytes


async def test_the_log_of_a_large_transaction_is_truncated_by_later_commits(path: Path) -> None:
    async with opened(path) as engine:

        async def store(transaction: Transaction, number: int, text: str) -> None:
            sql = "INSERT INTO system_samples VALUES ('x', $1, 'healthy', $2, NULL)"
            await transaction.execute(sql, number, text)

        await engine.write(partial(store, number=1, text="x" * 2 * LOG_BYTES))
        assert log_of(path) > 2 * LOG_BYTES
        for number in (2, 3):
            await engine.write(partial(store, number=number, text="x"))
        assert log_of(path) <= LOG_BYTES
