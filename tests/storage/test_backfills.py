"""Rows that are migrated while the database is read and written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api.config import RetentionConfig
from alphapulse_api.domain.books import Books
from alphapulse_api.domain.errors import Conflict, Unavailable
from alphapulse_api.storage import retention
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.backfills import Backfills, progress, run_backfills
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.postgres import rekey as postgres_rekey
from alphapulse_api.storage.rekeyed import BOOKS
from alphapulse_api.storage.sqlite import rekey as sqlite_rekey
from alphapulse_api.storage.steps import Steps
from alphapulse_api.storage.tables.marked_trades import MARKED
from alphapulse_api.storage.tables.trades import TradeDataAccessor
from tests.engines import at, connected, opened
from tests.old_schemas import Opening, before, execute, fill_old
from tests.postgres import Postgres
from tests.records import alert, ids, signal, trade
from tests.waiting import until

COUNT = 30
IDS = [f"r{number:02}" for number in range(COUNT)]
TABLES = [each.table for each in BOOKS]
FILLED: dict[str, Any] = {
    "symbol": "AAPL", "quantity": 2, "price": 10, "value": 20, "metadata": {"n": 1},
    "order_type": "limit", "filled_quantity": 2, "fees": [],
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_table_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sqlite_rekey, postgres_rekey):
        monkeypatch.setattr(module, "AT_ONCE", 0)
    monkeypatch.setattr(postgres_rekey, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(postgres_rekey, "LOCK_AGAIN_SECONDS", 0.05)


@pytest.fixture
async def old(opening: Opening) -> Opening:
    """A database without books, with rows in every table."""
    async with before("books", opening) as engine:
        await fill_old(engine, IDS)
    return opening


async def indexes(engine: Engine) -> set[str]:
    """The names of the indexes of the tables; in SQLite, keys have none of their own."""
    query = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    if engine.takes_arrays:
        query = "SELECT indexname::text FROM pg_indexes WHERE schemaname = 'public'"
    names = {name for (name,) in await engine.fetch(query)}
    later = ("trade_marks", "trade_corrections", "signal_outcomes", "signal_texts", "alert_f")
    return {
        name
        for name in names
        if name.startswith(("trade", "alert", "signal")) and not name.startswith(later)
    }


async def contents(engine: Engine) -> list[Any]:
    """Every row, without the times at which it was changed."""
    return [
        await engine.fetch(f"SELECT {columns} FROM {table} ORDER BY 1, 2, 3")
        for table, columns in {
            "trades": "book, id, status, revision, executed_at, metadata::text",
            "trade_states": "book, trade_id, revision, status",
            "alerts": "book, id, status, acknowledged, acknowledged_by",
            "signals": "book, id, symbol, direction",
        }.items()
        for columns in [columns if engine.takes_arrays else columns.replace("::text", "")]
    ]


async def change(engine: Engine, number: int) -> None:
    """Change and add records as callers do; the same for the same number."""
    store = Accessors(engine, 300, {})
    id_ = IDS[number % COUNT]
    await store.trades.add_trades([trade(id_, **FILLED)])
    await store.trades.add_trades([trade(f"new{number}", number)])
    with pytest.raises(Conflict):
        await store.trades.add_trades([trade(id_, symbol="ETH")])
    await store.alerts.try_to_acknowledge(id_, "ann")
    await store.agents.add_signal(signal(f"new{number}", number))
    gone = IDS[(number + 7) % COUNT]
    for table in ("alerts", "signals"):
        await execute(engine, f"DELETE FROM {table} WHERE id = $1", gone)
    await store.alerts.add_alert(alert(gone, number))


async def test_records_are_read_and_written_before_and_after_their_migration(
    old: Opening,
) -> None:
    async with old() as engine:
        assert set(await progress(engine)) == {*TABLES, MARKED}
        await change(engine, 0)
        store = Accessors(engine, 300, {})
        listed = ids(await store.trades.get_trades(limit=COUNT))
        assert listed == IDS[::-1]
        beta = TradeDataAccessor(engine, Books(("beta",)))
        with pytest.raises(Unavailable, match="one book only"):
            await beta.add_trades([trade(IDS[0])])
        before_ = await contents(engine)
        await run_backfills(engine)
        assert await progress(engine) == {}
        assert await contents(engine) == before_
        assert ids(await store.trades.get_trades(limit=COUNT)) == listed
        await change(engine, 1)
        await beta.add_trades([trade(IDS[0])])
        expected = {name for each in BOOKS for name in each.indexes}
        if engine.takes_arrays:
            expected |= {each.key_name for each in BOOKS}
        assert await indexes(engine) == expected


class Cut(Exception):
    """The process has ended."""


class Interrupted:
    """An SQLite engine on which something happens before each step of a migration.

    Args:
        steps: after which the process ends.
    """

    def __init__(self, engine: Engine, steps: int, between: Callable[[], Awaitable[None]]) -> None:
        self._engine = engine
        self._left = steps
        self._between = between

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def write(self, work: Callable[[Transaction], Awaitable[Any]]) -> Any:
        if not self._left:
            raise Cut
        self._left -= 1
        await self._between()
        return await self._engine.write(work)


async def test_a_migration_that_is_cut_continues_and_misses_no_change(tmp_path: Path) -> None:
    """SQLite: the rows are copied while others change them."""
    paths = [tmp_path / "cut.db", tmp_path / "whole.db"]
    for path in paths:
        async with before("books", lambda path=path: opened(path)) as engine:  # type: ignore[misc]
            await fill_old(engine, IDS)
    numbers: Iterator[int] = iter(range(10**6))
    starts = 0
    async with opened(paths[1]) as whole:
        await run_backfills(whole)
        finished = False
        while not finished:
            starts += 1
            async with opened(paths[0]) as cut:

                async def between(cut: Engine = cut) -> None:
                    number = next(numbers)
                    await change(cut, number)
                    await change(whole, number)

                engine = Interrupted(cut, 3, between)
                try:
                    left = await progress(cut)
                    for table in (each for each in BOOKS if each.table in left):
                        steps = Steps(engine, most=4096)  # type: ignore[arg-type]
                        await sqlite_rekey.rekey_in_steps(engine, table, steps)  # type: ignore[arg-type]
                    finished = True
                except Cut:
                    pass
                assert await contents(cut) == await contents(whole)
        assert starts > 5
        async with opened(paths[0]) as cut:
            assert set(await progress(cut)) == {MARKED}
            query = "SELECT name, sql FROM sqlite_master ORDER BY name"
            assert await cut.fetch(query) == await whole.fetch(query)


async def test_a_later_migration_lets_copies_begin_again(tmp_path: Path) -> None:
    """SQLite: the copy gets the columns that it adds."""
    path = tmp_path / "store.db"
    async with before("books", lambda: opened(path)) as engine:
        await fill_old(engine, IDS)
    async with before("sketches", lambda: opened(path)) as engine:

        async def nothing() -> None: ...

        cut = Interrupted(engine, 2, nothing)
        steps = Steps(cut, most=4096)  # type: ignore[arg-type]
        with pytest.raises(Cut):
            await sqlite_rekey.rekey_in_steps(cut, BOOKS[0], steps)  # type: ignore[arg-type]
        await execute(engine, "ALTER TABLE trades ADD COLUMN note TEXT DEFAULT 'n'")
    async with opened(path) as engine:
        await run_backfills(engine)
        assert await engine.fetch("SELECT note, count(*) FROM trades GROUP BY note") == [
            ("n", COUNT)
        ]


async def test_processes_migrate_in_turns_and_wait_for_readers(postgres: Postgres) -> None:
    """PostgreSQL: several servers start at once, and one of their builds was cut before."""
    url = await postgres.new()
    async with before("books", lambda: connected(url)) as engine:
        await fill_old(engine, IDS)
    async with connected(url) as one, connected(url) as two:
        await execute(one, "CREATE INDEX trades_by_book ON trades (book, executed_at, id)")
        await execute(
            one,
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'trades_by_book'::regclass",
        )
        reading, read = asyncio.Event(), asyncio.Event()

        async def read_for_long(transaction: Transaction) -> None:
            await transaction.fetch("SELECT count(*) FROM trades")
            reading.set()
            await read.wait()

        long_read = asyncio.create_task(two.write(read_for_long))
        await reading.wait()
        finish = [asyncio.create_task(run_backfills(one)), asyncio.create_task(run_backfills(two))]
        await change(one, 3)  # is not held up
        read.set()
        await long_read
        await asyncio.gather(*finish)
        assert await progress(one) == {}
        rows = await one.fetch(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'trades_by_book'::regclass"
        )
        assert rows == [(1,)]
        await change(two, 4)


async def test_retention_waits_until_rows_are_migrated(
    old: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "MIGRATION_SECONDS", 0.01)
    async with old() as engine:

        async def nothing_is_left() -> None:
            assert await progress(engine) == {}

        watched = Interrupted(engine, 10**6, nothing_is_left)
        kept = RetentionConfig(trades=60.0)
        deleting = asyncio.create_task(retention.forget_forever(watched, kept, None))  # type: ignore[arg-type]
        await run_backfills(engine)

        async def deleted() -> bool:
            assert not deleting.done()
            return await engine.fetch("SELECT count(*) FROM trades") == [(0,)]

        await until(deleted)
        deleting.cancel()
        await asyncio.wait({deleting})


async def test_a_server_says_what_it_migrates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    async with before("books", lambda: opened(path)) as engine:
        await fill_old(engine, IDS)
    async with opened(path) as engine:
        backfills = Backfills(engine)
        held = asyncio.Event()

        async def wait(_: Engine) -> None:
            await held.wait()

        running = dict.fromkeys((*TABLES, MARKED), wait)
        with monkeypatch.context() as holding:
            holding.setattr("alphapulse_api.storage.backfills.BACKFILLS", running)
            task = asyncio.create_task(backfills.finish())
            await until(lambda: set(backfills.progress) == {*TABLES, MARKED})
            task.cancel()
            await asyncio.wait({task})
        await backfills.finish()
        assert backfills.progress == {}
        store = Accessors(engine, 300, {})
        assert ids(await store.trades.get_trades(end_time=at(1), limit=3)) == IDS[:-4:-1]
