"""Reads what thinking cost: sums by agent, model, book, day or decision."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.decimals import EXACT
from alphapulse_api.domain.times import day_of, to_micros
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.page import Page, page_of_records
from alphapulse_api.storage.query import Listing, Where
from alphapulse_api.storage.tables.usage_entries import Entry
from alphapulse_api.storage.tables.usage_sums import DAY, QUARTER, SUMS, added, values_of

AT_ONCE: Final = 2000  # rows of sums
_COLUMNS: Final = ("start", "agent_id", "provider", "model", "currency")  # after book and width
_WHOLE: Final = ("calls", "input_tokens", "output_tokens", "cached_tokens", "tool_calls")
Group = tuple[str, ...]


class _Row(NamedTuple):
    """A row of sums."""

    book: str
    start: int
    agent_id: str
    provider: str
    model: str
    currency: str
    sums: list[Decimal]


class Span(NamedTuple):
    """A range of sums of one width; None is an open side."""

    width: int
    start: int | None
    end: int | None


def spans_of(start: datetime | None, end: datetime | None, *, days: bool) -> list[Span]:
    """The ranges of sums that make up a range, from wide ones where possible.

    Args:
        start: rounded down to 15 minutes.
        end: rounded up to 15 minutes.
        days: whether sums of days may be used.
    """
    low = None if start is None else to_micros(start) // QUARTER * QUARTER
    high = None if end is None else -(-to_micros(end) // QUARTER) * QUARTER
    if not days:
        return [Span(QUARTER, low, high)]
    first = None if low is None else -(-low // DAY) * DAY
    last = None if high is None else high // DAY * DAY
    if first is not None and last is not None and first >= last:
        return [Span(QUARTER, low, high)]
    spans = [Span(DAY, first, last)]
    if low is not None and low != first:
        spans.append(Span(QUARTER, low, first))
    if high is not None and high != last:
        spans.append(Span(QUARTER, last, high))
    return spans


async def grouped(
    engine: Engine,
    books: Sequence[str],
    group_by: str,
    spans: Sequence[Span],
    agent_id: str | None,
    zone: tzinfo,
) -> dict[Group, dict[str, list[Decimal]]]:
    """By group and currency, the sums."""
    key = _KEYS[group_by]
    groups: dict[Group, dict[str, list[Decimal]]] = {}
    for book in books:
        for span in spans:
            async for row in _rows(engine, book, span, agent_id):
                currencies = groups.setdefault(key(row, zone), {})
                before = currencies.get(row.currency)
                currencies[row.currency] = row.sums if before is None else added(before, row.sums)
    return groups


async def costs_of_agents(engine: Engine, spans: Sequence[Span]) -> dict[tuple[str, str], Decimal]:
    """By agent and currency, what was spent in all books, as far as it is known."""
    books = [book for (book,) in await engine.fetch("SELECT id FROM books")]
    groups = await grouped(engine, books, "agent", spans, None, UTC)
    return {
        (agent_id, currency): sums[SUMS.index("cost")]
        for (agent_id,), currencies in groups.items()
        for currency, sums in currencies.items()
        if currency
    }


async def costs_of_agent(
    engine: Engine, agent_id: str, spans: Sequence[Span]
) -> dict[str, Decimal]:
    """The same of one agent, by currency, without reading sums of others."""
    costs: dict[str, Decimal] = {}
    for span in spans:
        where = _between(span)
        where.equal(agent_id=agent_id)
        where.add("currency <> ''")
        sql = f"SELECT currency, cost FROM usage_sums {where}"
        for currency, cost in await engine.fetch(sql, *where.args):
            costs[currency] = EXACT.add(costs.get(currency, Decimal(0)), Decimal(cost))
    return costs


def _between(span: Span) -> Where:
    where = Where()
    where.equal(width=span.width)
    if span.start is not None:
        where.add("start >= {}", span.start)
    if span.end is not None:
        where.add("start < {}", span.end)
    return where


async def _rows(engine: Engine, book: str, span: Span, agent_id: str | None) -> AsyncIterator[_Row]:
    after: Sequence[Any] | None = None
    while True:
        where = _between(span)
        where.equal(book=book, agent_id=agent_id)
        if after is not None:
            where.add(f"({', '.join(_COLUMNS)}) > ({', '.join('{}' for _ in after)})", *after)
        order = ", ".join(_COLUMNS)
        rows = await engine.fetch(
            f"SELECT {order}, {', '.join(SUMS)} FROM usage_sums {where} "
            f"ORDER BY {order} LIMIT {AT_ONCE}",
            *where.args,
        )
        for row in rows:
            start, agent, provider, model, currency, *sums = row
            yield _Row(book, start, agent, provider, model, currency, list(map(Decimal, sums)))
        if len(rows) < AT_ONCE:
            return
        after = rows[-1][: len(_COLUMNS)]
        await asyncio.sleep(0)


def page_of(
    groups: dict[Group, dict[str, list[Decimal]]],
    group_by: str,
    listing: Listing,
    limit: int,
    cursor: str | None,
) -> Page:
    """One page of groups, in the order of their keys, as rows of an answer."""
    names = GROUPS[group_by]
    keys = sorted(groups)
    if cursor is not None:
        last = tuple(listing.key(cursor, *(str for _ in names)))
        keys = [key for key in keys if key > last]
    shown, more = keys[:limit], len(keys) > limit
    rows = [
        {**dict(zip(names, (part or None for part in key), strict=True)), **_shown(currency, sums)}
        for key in shown
        for currency, sums in sorted(groups[key].items())
        if sums[0]  # spans that do not count any more leave sums of nothing
    ]
    return page_of_records(rows, listing.cursor(*shown[-1]) if more else None)


def rows_of_entries(group: dict[str, str], entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """The rows of one group, from entries of `usage`: one a currency."""
    currencies: dict[str, list[Decimal]] = {}
    for entry, at in entries:
        currency, values = values_of(entry, at)
        before = currencies.get(currency)
        currencies[currency] = values if before is None else added(before, values)
    return [{**group, **_shown(currency, sums)} for currency, sums in sorted(currencies.items())]


def _shown(currency: str, sums: Sequence[Decimal]) -> dict[str, Any]:
    named = dict(zip(SUMS, sums, strict=True))
    return {
        **{name: int(named[name]) for name in _WHOLE},
        "duration": float(named["duration"]),
        "cost": named["cost"] if currency else None,
        "currency": currency or None,
    }


def _day(row: _Row, zone: tzinfo) -> Group:
    return (day_of(row.start, zone).isoformat(),)


_KEYS: Final[dict[str, Callable[[_Row, tzinfo], Group]]] = {
    "agent": lambda row, _: (row.agent_id,),
    "model": lambda row, _: (row.provider, row.model),
    "book": lambda row, _: (row.book,),
    "day": _day,
}
GROUPS: Final = {
    "agent": ("agent_id",),
    "model": ("provider", "model"),
    "book": ("book",),
    "day": ("day",),
    "decision": ("decision_id",),
}
