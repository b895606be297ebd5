"""Reads profit: what one trade brought so far, and sums of round trips."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from alphapulse_api.domain.books import HOME, Books
from alphapulse_api.domain.decimals import EXACT
from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.lots import exact, total
from alphapulse_api.domain.times import to_micros, zone_of
from alphapulse_api.projections.pnl.folding import fold_books, fold_symbol
from alphapulse_api.projections.pnl.rows import FILLS
from alphapulse_api.projections.pnl.summing import Account, Filters, check_number, shown, summed
from alphapulse_api.projections.prices import newest_price
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.engine.long_reads import long_reads
from alphapulse_api.storage.page import Page, page_of_records
from alphapulse_api.storage.query import Listing, Where, check_range
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
        books: whose round trips are summed.
    """

    def __init__(self, engine: Engine, metrics: MetricStore, books: Books = HOME) -> None:
        self._engine = engine
        self._metrics = metrics
        self._books = books

    async def get_pnl(
        self,
        group_by: str = "symbol",
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        symbol: str | None = None,
        strategy: str | None = None,
        agent_id: str | None = None,
        timezone: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """One page of sums of round trips: a row a group, mode and currency.

        A trade that is stored while it is read may be counted or not. It costs as much as there are
        round trips in the range.

        Args:
            group_by: symbol, strategy, agent, day, week or month.
            start_time: of the closing trades.
            end_time: of the closing trades.
            symbol: only round trips of it.
            strategy: likewise.
            agent_id: likewise.
            timezone: the IANA name of the zone in which days begin; default: UTC.
            limit: rows a page.
            cursor: of the page.

        Raises:
            ValidationProblem: for an empty range, an unknown zone, a foreign cursor, or more than
                `summing.MOST_TRIPS` round trips.
            Unavailable: if the trades that were just stored take long to fold.
        """
        check_range(start_time, end_time)
        zone = UTC if timezone is None else zone_of(timezone)
        if zone is None:
            raise ValidationProblem.parameter("timezone", f"{timezone!r} is not an IANA time zone")
        filters = Filters(start_time, end_time, symbol, strategy, agent_id)
        listing = Listing(
            "pnl", group_by=group_by, timezone=timezone, books=self._books.text,
            **{name: value for name, value in filters._asdict().items() if "time" not in name},
        )  # fmt: skip
        last = None if cursor is None else tuple(listing.key(cursor, str, str, str, str))
        await fold_books(self._engine, self._books.ids)
        with long_reads():
            accounts = await self._accounts()
            await check_number(self._engine, [each.book for each in accounts], filters)
            sums = await summed(self._engine, accounts, group_by, filters, zone)
        keys = sorted(key for key in sums if last is None or key > last)
        following = listing.cursor(*keys[limit - 1]) if len(keys) > limit else None
        return page_of_records([shown(key, sums[key], group_by) for key in keys[:limit]], following)

    async def _accounts(self) -> list[Account]:
        where = Where()
        where.one_of("id", self._books.ids)
        rows = await self._engine.fetch(
            f"SELECT id, mode, currency FROM books {where} ORDER BY id", *where.args
        )
        return [Account(*row) for row in rows]

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
