"""Sums round trips by symbol, strategy, agent, day, week or month."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Final, NamedTuple

import orjson

from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.lots import Fees
from alphapulse_api.domain.profit_sums import ProfitSum
from alphapulse_api.domain.times import day_of
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.query import Where
from alphapulse_api.storage.threads import off_loop

MOST_TRIPS: Final = 1_000_000  # that one question may sum
AT_ONCE: Final = 5000  # rows
_ORDER: Final = "closed_at, symbol, closing_id, opened_at, opening_id"
_KEY: Final = len(_ORDER.split(", "))
_TOO_MANY: Final = (
    f"More than {MOST_TRIPS:,} round trips match. Narrow the question: a later start_time, "
    "an earlier end_time, a symbol, a strategy, an agent_id, or one book."
)

Key = tuple[str, str, str, str]
"""The group ("" where a round trip has none), mode, currency ("": not known), and the book if the
currency is not known: amounts of unknown currencies are not added up over books."""


class Filters(NamedTuple):
    """Which round trips: those that were closed in a half-open range, and match each value."""

    start_time: datetime | None = None
    end_time: datetime | None = None
    symbol: str | None = None
    strategy: str | None = None
    agent_id: str | None = None

    def of(self, book: str) -> Where:
        """The conditions for a book."""
        where = Where()
        where.equal(book=book, symbol=self.symbol, strategy=self.strategy, agent_id=self.agent_id)
        where.between("closed_at", self.start_time, self.end_time)
        return where


class _Trip(NamedTuple):
    """The columns of a round trip; those of the order first."""

    closed_at: int
    symbol: str
    closing_id: str
    opened_at: int
    opening_id: str
    profit: str
    opening_fees: str
    closing_fees: str
    agent_id: str | None
    strategy: str | None


_COLUMNS: Final = ", ".join(_Trip._fields)


class Account(NamedTuple):
    """A book, and what its money is."""

    book: str
    mode: str
    currency: str | None


async def check_number(engine: Engine, books: Sequence[str], filters: Filters) -> None:
    """Refuse a question about too many round trips.

    Raises:
        ValidationProblem: naming start_time.
    """
    left = MOST_TRIPS
    for book in books:
        where = filters.of(book)
        most = where.parameter(left + 1)
        ((count,),) = await engine.fetch(
            f"SELECT count(*) FROM (SELECT 1 FROM round_trips {where} LIMIT {most}) part",
            *where.args,
        )
        left -= count
        if left < 0:
            raise ValidationProblem.parameter("start_time", _TOO_MANY)


async def summed(
    engine: Engine, accounts: Sequence[Account], group_by: str, filters: Filters, zone: tzinfo
) -> dict[Key, ProfitSum]:
    """The sums of each group."""
    sums: dict[Key, ProfitSum] = {}
    for account in accounts:
        async for rows in _pages(engine, filters.of(account.book)):
            await off_loop(len(rows), _add, sums, account, rows, GROUPS[group_by].key, zone)
    return sums


def shown(key: Key, total: ProfitSum, group_by: str) -> dict[str, Any]:
    """A row of an answer."""
    group, mode, currency, _ = key
    return {
        GROUPS[group_by].field: group or None,
        "mode": mode,
        "currency": currency or None,
        "book": next(iter(total.books)) if len(total.books) == 1 else None,
        **total.figures(currency or None),
    }


async def _pages(engine: Engine, where: Where) -> AsyncIterator[Sequence[Row]]:
    after: Sequence[Any] | None = None
    while True:
        here = where.copy()
        if after is not None:
            here.add(f"({_ORDER}) > ({', '.join('{}' for _ in after)})", *after)
        rows = await engine.fetch(
            f"SELECT {_COLUMNS} FROM round_trips {here} ORDER BY {_ORDER} LIMIT {AT_ONCE}",
            *here.args,
        )
        yield rows
        if len(rows) < AT_ONCE:
            return
        after = rows[-1][:_KEY]


def _add(
    sums: dict[Key, ProfitSum],
    account: Account,
    rows: Sequence[Row],
    group_of: Callable[[_Trip, tzinfo], str],
    zone: tzinfo,
) -> None:
    rest = account.mode, account.currency or "", "" if account.currency else account.book
    groups: dict[str, ProfitSum] = {}
    for row in rows:
        trip = _Trip(*row)
        group = group_of(trip, zone)
        if (total := groups.get(group)) is None:
            total = groups[group] = sums.setdefault((group, *rest), ProfitSum())
            total.books.add(account.book)
        total.add(Decimal(trip.profit), _fees(trip.opening_fees), _fees(trip.closing_fees))


def _fees(text: str) -> Fees:
    if text == "{}":
        return {}
    return {name: Decimal(amount) for name, amount in orjson.loads(text).items()}


def _week(trip: _Trip, zone: tzinfo) -> date:
    day = day_of(trip.closed_at, zone)
    return day - timedelta(days=day.weekday())


class Group(NamedTuple):
    """How a group is named in an answer, and which one a round trip belongs to."""

    field: str
    key: Callable[[_Trip, tzinfo], str]


GROUPS: Final[Mapping[str, Group]] = {
    "symbol": Group("symbol", lambda trip, _: trip.symbol),
    "strategy": Group("strategy", lambda trip, _: trip.strategy or ""),
    "agent": Group("agent_id", lambda trip, _: trip.agent_id or ""),
    "day": Group("day", lambda trip, zone: day_of(trip.closed_at, zone).isoformat()),
    "week": Group("week", lambda trip, zone: _week(trip, zone).isoformat()),
    "month": Group(
        "month", lambda trip, zone: day_of(trip.closed_at, zone).replace(day=1).isoformat()
    ),
}
