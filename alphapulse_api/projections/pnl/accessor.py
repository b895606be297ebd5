"""Reads profit: what one trade brought so far."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from alphapulse_api.domain.decimals import EXACT
from alphapulse_api.domain.lots import exact, total
from alphapulse_api.domain.times import to_micros
from alphapulse_api.projections.pnl.folding import fold_symbol
from alphapulse_api.projections.pnl.rows import FILLS
from alphapulse_api.projections.prices import newest_price
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.stores import MetricStore

STEPS: Final = 20  # of folding that a read waits for: up to 10,000 trades

_FILL: Final = (
    f"SELECT {FILLS.select} FROM pnl_fills WHERE book = $1 AND symbol = $2 "
    "AND executed_at = $3 AND trade_id = $4"
)


class PnlDataAccessor:
    """Reads profit; amounts are Decimals.

    A read first folds what was stored since, so that no answer is out of date.

    Args:
        engine: the database.
        metrics: where prices are recorded.
    """

    def __init__(self, engine: Engine, metrics: MetricStore) -> None:
        self._engine = engine
        self._metrics = metrics

    async def get_trade_profit(self, trade: Mapping[str, Any]) -> dict[str, Any] | None:
        """The profit of a trade so far, by FIFO lots.

        Args:
            trade: as it is stored.

        Returns:
            None if the trade filled nothing, or another corrects it, or so many trades of its
            symbol were just imported that they are still being folded. Otherwise

            - `position_before`, `position_after`: the quantity held; negative: short;
            - `closed_quantity`, `closed_profit`: of the positions that it closed, and what they
              brought;
            - `opened_quantity`, `open_quantity`: what it opened, and how much of that is open
              still;
            - `realized_profit`: what the closed part of that brought;
            - `unrealized_profit`: of the open part at `price`, the newest of the symbol, recorded
              at `price_at`; null if no price is known, and 0 without a price if nothing is open;
            - `profit`: all three together; null where a part is not known;
            - `fees`: of the trade itself, which no profit contains, by currency ("" if unknown).
        """
        book, symbol = trade["book"], trade["symbol"]
        if not await fold_symbol(self._engine, book, symbol, STEPS):
            return None
        rows = await self._engine.fetch(
            _FILL, book, symbol, to_micros(trade["executed_at"]), trade["id"]
        )
        if not rows:
            return None
        fill = FILLS.read(rows[0])
        left: Decimal = fill["remaining"]
        unrealized: Decimal | None = Decimal(0)
        price = None
        if left:
            price = await newest_price(self._engine, self._metrics, book, symbol)
            unrealized = None
            if price is not None:
                gain = EXACT.subtract(price.value, fill["price"])
                unrealized = exact(EXACT.multiply(left, gain))
        closed, realized = fill["closed_profit"], fill["lot_profit"]
        return {
            "position_before": exact(EXACT.subtract(fill["held"], fill["quantity"])),
            "position_after": fill["held"],
            "closed_quantity": exact(EXACT.subtract(abs(fill["quantity"]), abs(fill["opened"]))),
            "closed_profit": closed,
            "opened_quantity": abs(fill["opened"]),
            "open_quantity": abs(left),
            "realized_profit": realized,
            "unrealized_profit": unrealized,
            "price": None if price is None else price.value,
            "price_at": None if price is None else price.at,
            "profit": None if unrealized is None else total((closed, realized, unrealized)),
            "fees": [{"currency": c, "amount": amount} for c, amount in fill["fees"].items()],
        }
