"""What the outbox of an SQLite file costs, and the rows that an older release left in one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from alphapulse_api.domain.outbox import OutboxRow
from alphapulse_api.storage import outbox
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Transaction
from tests.engines import empty_store, opened
from tests.old_schemas import Opening, before, execute
from tests.records import trade

FRAME_BYTES = 24 + 4096  # a page in the write-ahead log, with its head
STORED = 5_000
SINGLE = 40
MOST_PAGES = 12.0


async def test_a_trade_that_is_stored_alone_changes_few_pages(tmp_path: Path) -> None:
    """It was 13.8 with an index by the record and the rows sorted by their ids."""
    path = empty_store(tmp_path / "store.db")
    log = path.with_name(f"{path.name}-wal")

    async with opened(path) as engine:
        store = Accessors(engine, 300, {})
        about = [
            {"symbol": f"S{n % 50}", "agent_id": f"a{n % 20}", "strategy": f"s{n % 5}"}
            for n in range(STORED + SINGLE)
        ]
        trades = [trade(f"0190{n:032x}", n, **about[n]) for n in range(STORED + SINGLE)]
        await store.trades.add_trades(trades[:STORED])
        await engine.truncate_log()
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            # Until its transaction ends, the log is not written from its beginning again.
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM trades").fetchone()
            for single in trades[STORED:]:
                await store.trades.add_trades([single])
            assert log.stat().st_size / FRAME_BYTES / SINGLE < MOST_PAGES


async def test_rows_of_an_older_release_stay(opening: Opening) -> None:
    sql = (
        "INSERT INTO outbox (id, channel, book, record_id, revision, tags, body) "
        "VALUES ($1, 'trades', 'main', $2, 0, 'trades', '{}')"
    )
    async with before("outbox_order", opening) as engine:
        for number in (2, 1):
            await execute(engine, sql, f"id-{number}", f"t{number}")
    async with opening() as engine:
        assert list(await outbox.oldest(engine, 10)) == ["id-1", "id-2"]
        rows = await outbox.read(engine, ["id-1", "id-2"])
        assert rows == [
            OutboxRow(f"id-{n}", "trades", f"t{n}", 0, ("trades",), [b"{}"], stored=True)
            for n in (1, 2)
        ]
        await outbox.remove(engine, ["id-1"])
        assert list(await outbox.oldest(engine, 10)) == ["id-2"]


async def test_the_older_row_of_a_record_is_found_among_many(opening: Opening) -> None:
    async with opening() as engine:

        async def work(transaction: Transaction) -> list[OutboxRow]:
            transaction.publish(
                *(
                    row
                    for n in range(300)
                    for row in outbox.of_new("trades", [trade(f"t{n}", book="main")])
                )
            )
            return []

        async def change(transaction: Transaction) -> list[OutboxRow]:
            return await outbox.of_change(
                transaction, "trades", trade("t7", book="main"), 1, record_id="t7", relayed=()
            )

        await engine.write(work)
        *older, mine = await engine.write(change)
        assert all(row.stored and row.id < mine.id for row in older)
        assert any(b'"t7"' in body for row in older for body in row.bodies)
