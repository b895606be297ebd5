"""The first recorded prices at or after some instants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.books import BOOK_LABEL, PRICE
from alphapulse_api.domain.encoding import loads_stored
from alphapulse_api.storage.engine import Engine

INSTANTS: Final = 32  # of a statement
# Of the series of bars, the opening price has the time of the bar. A closing price is known later,
# but no earlier than the time under which it is recorded.
_FIELDS: Final = (None, "open", "close")
_SERIES: Final = "SELECT id, labels FROM series WHERE metric_type = $1 AND name = $2"
_POINT: Final = (
    "(SELECT {} FROM metric_points WHERE series_id = $1 AND timestamp >= at "
    "AND value IS NOT NULL ORDER BY timestamp LIMIT 1)"
)
_TRADE: Final = (
    "(SELECT {} FROM trades WHERE book = $1 AND symbol = $2 AND executed_at >= at "
    "AND price IS NOT NULL AND status IN ('filled', 'partially_filled') "
    "ORDER BY executed_at, id LIMIT 1)"
)


class RecordedPrice(NamedTuple):
    """A price and its time in microseconds since the epoch."""

    at: int
    value: float


class PriceReader:
    """Reads prices: points of the metric type `price`, and trades.

    Args:
        engine: the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._series: dict[tuple[str, str], list[int]] = {}

    async def recorded(
        self, book: str, symbol: str, instants: Sequence[int]
    ) -> list[RecordedPrice | None]:
        """The first recorded price at or after each instant; None where there is none.

        Of several series, the earliest price counts, then that of the series without a `field`.

        Args:
            book: series of other books do not count.
            symbol: the symbol.
            instants: microseconds since the epoch, `INSTANTS` at most.
        """
        found: list[RecordedPrice | None] = [None] * len(instants)
        for number in await self._series_of(book, symbol):
            rows = await self._read(_POINT, "timestamp", "value", (number,), instants)
            for place, price in enumerate(rows):
                known = found[place]
                if price is not None and (known is None or price.at < known.at):
                    found[place] = price
        return found

    async def traded(
        self, book: str, symbol: str, instants: Sequence[int]
    ) -> list[RecordedPrice | None]:
        """The same of the trades of a symbol in a book."""
        return await self._read(_TRADE, "executed_at", "price", (book, symbol), instants)

    async def _series_of(self, book: str, symbol: str) -> list[int]:
        if (book, symbol) not in self._series:
            rows = await self._engine.fetch(_SERIES, PRICE, symbol)
            labelled = [(loads_stored(labels), number) for number, labels in rows]
            ranked = [
                (labels.get("field"), number)
                for labels, number in labelled
                if labels.get(BOOK_LABEL, book) == book
            ]
            order = sorted(
                (_FIELDS.index(field), number) for field, number in ranked if field in _FIELDS
            )
            self._series[book, symbol] = [number for _, number in order]
        return self._series[book, symbol]

    async def _read(
        self, source: str, time: str, value: str, args: tuple[Any, ...], instants: Sequence[int]
    ) -> list[RecordedPrice | None]:
        # Always as many instants, so that there is one statement to prepare.
        wanted = [*instants, *[instants[-1]] * (INSTANTS - len(instants))]
        marks = (f"({n}, ${n + 1 + len(args)})" for n in range(INSTANTS))
        first = f"(0, CAST(${1 + len(args)} AS timestamptz))"
        values = ", ".join((first, *list(marks)[1:]))
        rows = await self._engine.fetch(
            f"WITH wanted (place, at) AS (VALUES {values}) SELECT {source.format(time)}, "
            f"{source.format(value)} FROM wanted ORDER BY place",
            *args,
            *wanted,
        )
        return [
            None if at is None else RecordedPrice(at, float(value))
            for at, value in rows[: len(instants)]
        ]
