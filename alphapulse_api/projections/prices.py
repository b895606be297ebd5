"""The newest price of a symbol: a metric point of type `price`, whose name is the symbol.

A series with the label `field` is one of bars; of those, `close` is a price. One with the label
`book` is of that book only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from alphapulse_api.domain.books import BOOK_LABEL, PRICE
from alphapulse_api.domain.times import from_micros
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.stores import MetricStore

_LAST_FILL: Final = (
    "SELECT executed_at, price FROM pnl_fills WHERE book = $1 AND symbol = $2 "
    "ORDER BY executed_at DESC, trade_id DESC LIMIT 1"
)


class Price(NamedTuple):
    """A price and its time."""

    value: Decimal
    at: datetime


async def newest_price(
    engine: Engine, metrics: MetricStore, book: str, symbol: str
) -> Price | None:
    """The newest recorded price of a symbol, else that of its newest fill in the book."""
    newest: Price | None = None
    async for page in metrics.latest_in_parts(PRICE, symbol):
        for point in page:
            value, at = point["value"], point["timestamp"]
            if value is None or point["name"] != symbol or not _is_price(point["labels"], book):
                continue
            if newest is None or at > newest.at:
                newest = Price(Decimal(repr(value)), at)
    if newest is not None:
        return newest
    rows = await engine.fetch(_LAST_FILL, book, symbol)
    return Price(Decimal(rows[0][1]), from_micros(rows[0][0])) if rows else None


def _is_price(labels: Mapping[str, str], book: str) -> bool:
    return labels.get("field", "close") == "close" and labels.get(BOOK_LABEL, book) == book
