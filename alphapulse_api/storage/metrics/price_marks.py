"""Marks symbols whose prices came late, in the transaction that stores the prices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from alphapulse_api.domain.books import PRICE
from alphapulse_api.domain.points import Key
from alphapulse_api.domain.times import now, to_micros
from alphapulse_api.domain.track_record.outcomes import SETTLED
from alphapulse_api.storage.bulk import insert_rows
from alphapulse_api.storage.engine import Transaction

_INTO: Final = "price_marks (symbol, from_at, until_at)"


async def mark_points(transaction: Transaction, points: Mapping[Key, Iterable[int]]) -> None:
    """Mark the symbols of the prices among some points.

    Args:
        transaction: of the points.
        points: by series, their times in microseconds since the epoch.
    """
    if prices := {key: times for key, times in points.items() if key[0] == PRICE}:
        await mark_prices(transaction, ((key[1], at) for key, at in _pairs(prices)))


async def mark_prices(transaction: Transaction, prices: Iterable[tuple[str, int]]) -> None:
    """Mark symbols whose outcomes may have been computed without these prices.

    Args:
        transaction: of the prices.
        prices: symbols and times in microseconds since the epoch.
    """
    late = to_micros(now()) - SETTLED
    spans: dict[str, tuple[int, int]] = {}
    for symbol, at in prices:
        if at < late:
            begin, end = spans.get(symbol, (at, at))
            spans[symbol] = min(begin, at), max(end, at)
    rows = [(symbol, *span) for symbol, span in sorted(spans.items())]
    await insert_rows(transaction, _INTO, rows, "", ("text", "timestamptz", "timestamptz"))


def _pairs(points: Mapping[Key, Iterable[int]]) -> Iterator[tuple[Key, int]]:
    return ((key, at) for key, times in points.items() for at in times)
