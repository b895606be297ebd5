"""Makes the projection anew, beside a running server or without one."""

from __future__ import annotations

from typing import Final

from alphapulse_api.domain.marks import Mark
from alphapulse_api.domain.times import FIRST_MICROS
from alphapulse_api.projections.pnl.folding import fold_all
from alphapulse_api.storage.engine import Engine, Transaction

PAGE: Final = 500  # symbols that are marked at once
# Each symbol is found by an index, because reading all trades would take long.
_NEXT: Final = (
    "SELECT book, symbol FROM {} WHERE (book, symbol) > ($1, $2) ORDER BY book, symbol LIMIT 1"
)


async def rebuild(engine: Engine) -> int:
    """Fold all trades again, and return how many symbols there are.

    The profit of trades that retention deleted stays.
    """
    keys = sorted({*await _keys(engine, "pnl_accounts"), *await _keys(engine, "trades")})
    for begin in range(0, len(keys), PAGE):
        part = keys[begin : begin + PAGE]

        async def work(transaction: Transaction, part: list[tuple[str, str]] = part) -> None:
            transaction.mark(*(Mark(*key, FIRST_MICROS, "") for key in part))

        await engine.write(work)
    await fold_all(engine)
    return len(keys)


async def _keys(engine: Engine, table: str) -> list[tuple[str, str]]:
    """The books and symbols of a table."""
    found: list[tuple[str, str]] = []
    last = ("", "")
    while rows := await engine.fetch(_NEXT.format(table), *last):
        last = rows[0][0], rows[0][1]
        found.append(last)
    return found
