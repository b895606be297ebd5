"""The present state of a channel, as rows to send before its events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from alphapulse_api.data.accessors import Accessors
from alphapulse_api.errors import NotFound
from alphapulse_api.websocket.subscription import Subscription

TRADES: Final = 50
Rows = Sequence[Mapping[str, Any]]


async def read_snapshot(accessors: Accessors, subscription: Subscription) -> Rows:
    """What a new subscriber is told first.

    Metrics: the newest point of each matching series. Alerts: the unresolved ones, oldest first.
    Trades: the newest 50, oldest first. Portfolio: the current one, if there is one.
    """
    rows = await _READERS[subscription.channel.name](accessors, subscription.filters)
    return [row for row in rows if subscription.wants(row)]


async def _metrics(accessors: Accessors, filters: Mapping[str, frozenset[str]]) -> Rows:
    latest = accessors.method("metrics", "get_latest_metrics")
    types = filters.get("metric_types")
    if types is None:
        every: Rows = await latest(None)
        return every
    return [row for metric_type in sorted(types) for row in await latest(metric_type)]


async def _alerts(accessors: Accessors, filters: Mapping[str, frozenset[str]]) -> Rows:
    if "alerts" in accessors.replaced:
        rows = await accessors.method("alerts", "get_alerts")()
        return [row for row in reversed(rows) if row["status"] != "resolved"]
    unresolved: list[Mapping[str, Any]] = []
    cursor = None
    while True:
        page = await accessors.alerts.get_alerts(unresolved=True, limit=1000, cursor=cursor)
        unresolved.extend(page)
        cursor = page.next_cursor
        if cursor is None:
            return unresolved[::-1]


async def _trades(accessors: Accessors, filters: Mapping[str, frozenset[str]]) -> Rows:
    columns = {"symbols": "symbol", "strategies": "strategy"}
    wanted = {columns[name]: sorted(values) for name, values in filters.items()}
    rows = await accessors.method("trades", "get_trades")(**wanted, limit=TRADES)
    return list(reversed(rows))


async def _portfolio(accessors: Accessors, filters: Mapping[str, frozenset[str]]) -> Rows:
    try:
        return [await accessors.method("portfolio", "get_portfolio")()]
    except NotFound:
        return []


_READERS: Final = {
    "metrics": _metrics,
    "alerts": _alerts,
    "trades": _trades,
    "portfolio": _portfolio,
}
