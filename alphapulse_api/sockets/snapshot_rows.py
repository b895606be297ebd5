"""The rows of snapshots, read from the stores."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

from alphapulse_api.domain.channels import Channel
from alphapulse_api.domain.errors import NotFound
from alphapulse_api.sockets.filters import Filters
from alphapulse_api.sockets.readings import QUERY_ROWS
from alphapulse_api.view import View

TRADES: Final = 50
NEWEST_FIRST: Final = frozenset({"alerts", "trades"})  # when read; sent oldest first

Rows = Sequence[Mapping[str, Any]]


async def read_snapshot(
    view: View, channel: Channel, filters: Filters, charge: Callable[[int], None]
) -> list[Rows]:
    """Return the rows of a snapshot in parts, including some that the filters do not pass.

    Metrics: the newest point of each matching series. Alerts: the unresolved ones, newest first.
    Trades: the newest 50, newest first. Portfolio: the current one of each book that has one.

    Args:
        view: what the subscriber may read.
        channel: the channel.
        filters: of the subscription.
        charge: called with the number of rows of each part as it is read, since the client may
            disconnect before the end.
    """
    parts: list[Rows] = []
    async for part in _READERS[channel.name](view, filters):
        charge(QUERY_ROWS + len(part))
        if part:
            parts.append(part)
    return parts


async def _metrics(view: View, filters: Filters) -> AsyncIterator[Rows]:
    types: Sequence[str | None] = sorted(filters.get("metric_types", ())) or [None]
    names: Sequence[str | None] = sorted(filters.get("names", ())) or [None]
    for metric_type in types:
        for name in names:
            yield ()  # a lookup costs something even if it finds nothing
            async for part in view.metrics.latest_in_parts(metric_type, name):
                yield part


async def _alerts(view: View, filters: Filters) -> AsyncIterator[Rows]:
    async for part in view.alerts.unresolved_in_parts(
        severities=filters.get("severities"), sources=filters.get("sources")
    ):
        yield part


async def _trades(view: View, filters: Filters) -> AsyncIterator[Rows]:
    columns = {"symbols": "symbol", "strategies": "strategy"}
    wanted: dict[str, Any] = {
        columns[name]: sorted(values) for name, values in filters.items() if name in columns
    }
    yield await view.trades.get_trades(**wanted, limit=TRADES)


async def _portfolio(view: View, filters: Filters) -> AsyncIterator[Rows]:
    async for of_one in view.each_book():
        yield ()  # a lookup costs something even if it finds nothing
        try:
            yield [await of_one.portfolio.show_portfolio()]
        except NotFound:
            continue


_READERS: Final = {
    "metrics": _metrics,
    "alerts": _alerts,
    "trades": _trades,
    "portfolio": _portfolio,
}
