"""Trades that an older release stored, and their profit."""

from __future__ import annotations

from alphapulse_api.projections.pnl.folding import fold_all
from alphapulse_api.storage.backfills import progress, run_backfills
from tests.old_schemas import Opening, before, execute
from tests.projections.test_pnl import trips_of


async def test_trades_of_an_older_release_are_linked_to_their_decisions(opening: Opening) -> None:
    async with before("profit", opening) as engine:
        for number, decision_id in enumerate(("d-1", None)):
            await execute(
                engine,
                "INSERT INTO trades (id, symbol, side, quantity, order_type, status, executed_at, "
                "metadata, decision_id) "
                "VALUES ($1, 'BTC', 'buy', '1', 'market', 'open', $2, '{}', $3)",
                f"t{number}",
                number,
                decision_id,
            )
    async with opening() as engine:
        await run_backfills(engine)
        links = await engine.fetch("SELECT book, decision_id, trade_id FROM decision_trades")
        assert [tuple(row) for row in links] == [("main", "d-1", "t0")]


async def test_trades_of_an_older_release_are_folded(opening: Opening) -> None:
    async with before("profit", opening) as engine:
        for number, (side, corrects) in enumerate(
            [("buy", None), ("sell", None), ("sell", "t1"), ("buy", None)]
        ):
            await execute(
                engine,
                "INSERT INTO trades (id, symbol, side, quantity, filled_quantity, price, "
                "order_type, status, executed_at, metadata, corrects) "
                "VALUES ($1, 'BTC', $2, '1', '1', $3, 'market', 'filled', $4, '{}', $5)",
                f"t{number}",
                side,
                str(100 + 10 * number),
                number,
                corrects,
            )
    async with opening() as engine:
        assert "pnl" in await progress(engine)
        await run_backfills(engine)
        assert not await progress(engine)
        await fold_all(engine)
        (trip,) = await trips_of(engine)
        assert (trip.opened[1], trip.closed[1], trip.profit) == ("t0", "t2", 20)
