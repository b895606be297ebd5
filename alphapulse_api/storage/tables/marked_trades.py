"""Reads the trades that older releases stored, a page at a time.

Their symbols are marked, so that their profit is folded, and the decisions that they name are
linked to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from alphapulse_api.domain.encoding import dumps, loads_stored
from alphapulse_api.domain.marks import Mark
from alphapulse_api.domain.times import FIRST_MICROS
from alphapulse_api.storage.backfill_rows import advance, finish, position_of
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.tables.decision_writing import link_trades
from alphapulse_api.storage.tables.trade_marks import mark_corrected

MARKED: Final = "pnl"
"""The name of the backfill."""

PAGE: Final = 2000  # trades a step
_PAGE: Final = (
    "SELECT book, id, symbol, corrects, decision_id FROM trades {} "
    f"ORDER BY book, id LIMIT {PAGE}"
)


async def mark_later(transaction: Transaction) -> None:
    """Leave the stored trades to the backfill, if there are any."""
    if await transaction.fetch("SELECT 1 FROM trades LIMIT 1"):
        ((count,),) = await transaction.fetch("SELECT count(*) FROM trades")
        await transaction.execute(
            "INSERT INTO backfills (name, total) VALUES ($1, $2)", MARKED, count
        )


async def mark_all(engine: Engine) -> None:
    """Mark the symbols of all trades, and store what each corrects and follows from; continues."""
    seen: set[tuple[str, str]] = set()
    while True:
        rows = await engine.fetch("SELECT position FROM backfills WHERE name = $1", MARKED)
        if not rows:
            return
        position: str = rows[0][0]
        if position:
            page = await engine.fetch(
                _PAGE.format("WHERE (book, id) > ($1, $2)"), *loads_stored(position)
            )
        else:
            page = await engine.fetch(_PAGE.format(""))

        async def step(
            transaction: Transaction,
            position: str = position,
            page: Sequence[Sequence[Any]] = page,
        ) -> None:
            if await position_of(transaction, engine, MARKED) != position:
                return  # another process was faster
            corrections: list[dict[str, Any]] = []
            decided: list[dict[str, Any]] = []
            for book, id_, symbol, corrects, decision_id in page:
                if (book, symbol) not in seen:
                    transaction.mark(Mark(book, symbol, FIRST_MICROS, ""))
                if corrects is not None:
                    corrections.append({"book": book, "id": id_, "corrects": corrects})
                if decision_id is not None:
                    decided.append({"book": book, "id": id_, "decision_id": decision_id})
            if corrections:
                await mark_corrected(transaction, corrections)
            await link_trades(transaction, decided)
            if len(page) < PAGE:
                await finish(transaction, MARKED)
            else:
                last = dumps(list(page[-1][:2])).decode()
                await advance(transaction, MARKED, last, len(page))

        await engine.write(step)
        seen.update((book, symbol) for book, _, symbol, *_ in page)
