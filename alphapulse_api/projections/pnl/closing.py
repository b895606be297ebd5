"""Keeps the profit of trades that retention is about to delete."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from alphapulse_api.projections.pnl.folding import fold_all
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.steps import Steps

ROUNDS: Final = 3  # of folding what is stored meanwhile
FILL_BYTES: Final = 400  # of a fill with its index entries, about

_CLOSE: Final = (
    "UPDATE pnl_accounts SET base_at = $1, version = version + 1, "
    "folded_at = CASE WHEN folded_at < $1 THEN $1 ELSE folded_at END, "
    "folded_id = CASE WHEN folded_at < $1 THEN '' ELSE folded_id END "
    "WHERE base_at < $1 AND behind = 0 AND NOT EXISTS (SELECT 1 FROM trade_marks "
    "WHERE trade_marks.book = pnl_accounts.book AND trade_marks.symbol = pnl_accounts.symbol "
    "AND executed_at < $1)"
)
_ACCOUNTS: Final = "SELECT book, symbol, base_at FROM pnl_accounts ORDER BY book, symbol"
_NEEDED: Final = (
    "SELECT * FROM (SELECT opened_at, opening_id FROM round_trips WHERE book = $1 AND symbol = $2 "
    "AND closed_at >= $3 ORDER BY closed_at, closing_id, opened_at, opening_id LIMIT 1) undone "
    "UNION ALL SELECT * FROM (SELECT executed_at, trade_id FROM pnl_fills WHERE book = $1 "
    "AND symbol = $2 AND is_open = 1 ORDER BY executed_at, trade_id LIMIT 1) held"
)
_OLD: Final = (
    "SELECT executed_at, trade_id FROM pnl_fills WHERE book = $1 AND symbol = $2 "
    "AND (executed_at, trade_id) < ($3, $4) ORDER BY executed_at, trade_id LIMIT $5"
)
_DELETE: Final = (
    "DELETE FROM pnl_fills WHERE book = $1 AND symbol = $2 AND (executed_at, trade_id) <= ($3, $4)"
)


async def close_before(engine: Engine, steps: Steps, before: int) -> bool:
    """Fold the trades before that instant (microseconds) for the last time.

    Trades before it that are stored later do not count. Round trips stay; fills on which no later
    change can depend are deleted.

    Returns:
        Whether the trades may be deleted now.
    """
    for _ in range(ROUNDS):
        await fold_all(engine)

        async def close(transaction: Transaction) -> None:
            await transaction.execute(_CLOSE, before)

        await engine.write(close)
        left = await engine.fetch("SELECT 1 FROM pnl_accounts WHERE base_at < $1 LIMIT 1", before)
        if not left:
            break
    else:
        return False
    for book, symbol, base_at in await engine.fetch(_ACCOUNTS):
        await _delete_fills(engine, steps, book, symbol, base_at)
    return True


async def _delete_fills(engine: Engine, steps: Steps, book: str, symbol: str, base_at: int) -> None:
    """Delete the fills whose lots were closed before `base_at`.

    Lots are closed in the order of their fills, so these are all before the first lot that is open,
    or that was closed later.
    """
    needed: Sequence[Any] = await engine.fetch(_NEEDED, book, symbol, base_at)
    bound = min([(at, id_) for at, id_ in needed] + [(base_at, "")])
    while True:
        count = max(1, steps.size // FILL_BYTES)
        old = await engine.fetch(_OLD, book, symbol, *bound, count)
        if not old:
            return
        delete = partial(_delete, key=(book, symbol, *old[-1]))
        await steps.run(delete, len(old) * FILL_BYTES)


async def _delete(transaction: Transaction, key: Sequence[Any]) -> None:
    await transaction.execute(_DELETE, *key)
