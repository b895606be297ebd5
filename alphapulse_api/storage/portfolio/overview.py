"""The current portfolios of several books side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from alphapulse_api.domain.books import Books
from alphapulse_api.domain.decimals import EXACT
from alphapulse_api.storage.columns import DECIMAL, PLAIN, TIME, Columns
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.portfolio.reading import Staleness
from alphapulse_api.storage.query import Where

_SUMMARY: Final = Columns(
    "books",
    {
        "book": PLAIN,
        "title": PLAIN,
        "mode": PLAIN,
        "closed_at": TIME,
        "currency": PLAIN,
        "total_value": DECIMAL,
        "cash": DECIMAL,
        "positions_value": DECIMAL,
        "as_of": TIME,
    },
)
_SELECT: Final = (
    "SELECT b.id, b.title, b.mode, b.closed_at, coalesce(s.currency, b.currency), s.total_value, "
    "s.cash, s.positions_value, s.as_of FROM books b "
    "LEFT JOIN portfolio_current c ON c.book = b.id "
    "LEFT JOIN portfolio_snapshots s ON s.book = c.book AND s.as_of = c.as_of "
)
_NOTHING: Final = dict.fromkeys(("total_value", "cash", "positions_value"), Decimal(0))


class Overview(dict[str, Any]):
    """The current portfolio of each book, and their totals.

    Attributes:
        changes_in: seconds until any `stale` changes by time alone; None for never.
    """

    changes_in: float | None = None


async def overview(
    engine: Engine,
    books: Books,
    staleness: Callable[[datetime], Staleness],
    stale_after: float,
) -> Overview:
    """Each book with its current portfolio, without positions, by id; and the totals.

    The values are None before the first update.

    Args:
        staleness: says whether a portfolio of that time is stale.
        stale_after: the age in seconds from which it is.
    """
    where = Where()
    where.one_of("b.id", books.ids)
    rows = await engine.fetch(f"{_SELECT} {where} ORDER BY b.id", *where.args)
    portfolios = [_SUMMARY.read(row) for row in rows]
    changes = []
    for portfolio in portfolios:
        portfolio["stale"] = None
        if portfolio["as_of"] is not None:
            portfolio["stale"], changes_in = staleness(portfolio["as_of"])
            if changes_in is not None:
                changes.append(changes_in)
    shown = Overview(portfolios=portfolios, totals=totals(portfolios), stale_after=stale_after)
    shown.changes_in = min(changes, default=None)
    return shown


def totals(portfolios: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The sums of the portfolios of open books by mode and currency, and never over them."""
    sums: dict[tuple[str, str], dict[str, Any]] = {}
    for portfolio in portfolios:
        if portfolio["total_value"] is None or portfolio["closed_at"] is not None:
            continue
        mode, currency = portfolio["mode"], portfolio["currency"]
        total = sums.setdefault(
            (mode, currency), {"mode": mode, "currency": currency, "books": 0, **_NOTHING}
        )
        total["books"] += 1
        for name in _NOTHING:
            total[name] = EXACT.add(total[name], portfolio[name])
    return [sums[group] for group in sorted(sums)]
