"""The projection of profit beside a server: it follows, and survives retention."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

from alphapulse_api.config import RetentionConfig
from alphapulse_api.projections.pnl.closing import close_before
from alphapulse_api.projections.pnl.folding import fold_all
from alphapulse_api.projections.pnl.rebuild import rebuild
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.retention import forget
from alphapulse_api.storage.tables.trades import TradeDataAccessor
from tests.commands import Here
from tests.conftest import Server
from tests.engines import at, opened
from tests.projections.test_pnl import dump, order, trips_of
from tests.waiting import until


async def test_retention_keeps_the_profit_of_what_it_deletes(engine: Engine) -> None:
    store = TradeDataAccessor(engine)
    await store.add_trades(
        [
            order("a", 0, "buy", "10", "100"),
            order("b", 1, "sell", "10", "101"),
            order("c", 2, "buy", "10", "102"),
            order("d", 100, "sell", "4", "105"),
        ]
    )
    await forget(engine, RetentionConfig(trades=50), at(60), closing=close_before)
    assert len(await store.get_trades()) == 1
    rows = await engine.fetch("SELECT trade_id FROM pnl_fills ORDER BY executed_at")
    assert [row[0] for row in rows] == ["c", "d"]  # the lot of c is open
    before = await dump(engine)
    await rebuild(engine)
    assert await dump(engine) == before
    await store.add_trades([order("late", 3, "sell", "1", "1"), order("e", 101, "sell", "6", "1")])
    await fold_all(engine)
    trips = await trips_of(engine)
    assert [(trip.closed[1], trip.profit) for trip in trips] == [("b", 10), ("d", 12), ("e", -606)]


async def test_a_server_folds_what_it_stores(either: Server) -> None:
    await either.feed.record_trade({"symbol": "BTC", "side": "buy", "quantity": 2, "price": "5"})
    await either.feed.record_trade({"symbol": "BTC", "side": "sell", "quantity": 1, "price": "7"})
    engine = either.backend.engine

    async def folded() -> bool:
        return [trip.profit for trip in await trips_of(engine)] == [Decimal(2)]

    await until(folded)


def test_rebuild_is_a_command(tmp_path: Path, here: Here) -> None:
    async def store() -> None:
        async with opened(tmp_path / "alphapulse.db") as engine:
            await TradeDataAccessor(engine).add_trades([order("a", 0, "buy", "10", "100")])

    asyncio.run(store())
    assert here("rebuild", "pnl").stdout == "pnl is rebuilt: 1 symbols\n"
    assert here("rebuild", "profit").returncode == 2
