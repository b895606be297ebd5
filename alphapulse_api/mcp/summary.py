"""What happened in a period, from every resource that the caller may see."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final

from alphapulse_api.client import ApiError, DashboardClient

MOST_RECORDS: Final = 5000  # of a resource that are counted
SYMBOLS: Final = 15
NEWEST_ALERTS: Final = 5
RECENT: Final = timedelta(minutes=10)  # in which a component that works reports
SEVERE: Final = ("critical", "error")

End = datetime | None  # None: now
Part = Callable[[DashboardClient, datetime, End, str | None], Awaitable[Mapping[str, Any]]]


async def summary(
    client: DashboardClient, start: datetime, end: End, book: str | None
) -> dict[str, Any]:
    """The parts of a summary by resource; a part that the caller may not see says so."""

    async def part(name: str, make: Part) -> tuple[str, Mapping[str, Any] | str]:
        try:
            return name, await make(client, start, end, book)
        except ApiError as refusal:
            if refusal.status == HTTPStatus.FORBIDDEN:
                return name, "not_permitted"
            raise

    parts = await asyncio.gather(*(part(name, make) for name, make in _PARTS.items()))
    return {"from": start, "to": end or datetime.now(UTC), **dict(parts)}


async def _portfolio(
    client: DashboardClient, start: datetime, end: End, book: str | None
) -> Mapping[str, Any]:
    after = await _portfolio_at(client, end, book)
    if after is None:
        return {"state": "not_recorded"}
    before = await _portfolio_at(client, start, book)
    shown: dict[str, Any] = {
        "total_value": after["total_value"],
        "cash": after["cash"],
        "currency": after["currency"],
        "as_of": after["as_of"],
        "stale": after["stale"],
    }
    if before is not None:
        change = after["total_value"] - before["total_value"]
        shown["value_at_start"] = before["total_value"]
        shown["change"] = change
        if before["total_value"]:
            shown["change_percent"] = float(100 * change / before["total_value"])
    return shown


async def _portfolio_at(
    client: DashboardClient, at: End, book: str | None
) -> Mapping[str, Any] | None:
    try:
        return await client.portfolio(as_of=at, book=book)
    except ApiError as refusal:
        if refusal.status == HTTPStatus.NOT_FOUND:
            return None
        raise


async def _trades(
    client: DashboardClient, start: datetime, end: End, book: str | None
) -> Mapping[str, Any]:
    states: Counter[str] = Counter()
    symbols: dict[tuple[str, str], dict[str, Any]] = {}
    async for trade in client.trades(start_time=start, end_time=end, limit=MOST_RECORDS, book=book):
        states[trade["status"]] += 1
        if not trade["filled_quantity"]:
            continue
        key = trade["symbol"], trade["side"]
        row = symbols.setdefault(
            key,
            {"symbol": key[0], "side": key[1], "fills": 0, "quantity": Decimal(0)},
        )
        row["fills"] += 1
        row["quantity"] += trade["filled_quantity"]
    total = states.total()
    busiest = sorted(symbols.values(), key=lambda row: -row["fills"])
    return {
        "counted": total,
        "only_the_newest": total == MOST_RECORDS,
        "by_status": states,
        "by_symbol": busiest[:SYMBOLS],
        "further_symbols": max(0, len(busiest) - SYMBOLS),
    }


async def _profit(
    client: DashboardClient, start: datetime, end: End, book: str | None
) -> Mapping[str, Any]:
    """Of closed positions, by mode and currency; a book of unknown currency by itself."""
    sums: dict[tuple[Any, ...], dict[str, Any]] = {}
    async for row in client.pnl(group_by="month", start_time=start, end_time=end, book=book):
        key = row["mode"], row["currency"], None if row["currency"] else row["book"]
        known = sums.setdefault(key, {"mode": row["mode"], "currency": row["currency"]})
        for name in ("round_trips", "wins", "profit", "net_profit"):
            known[name] = known.get(name, 0) + row[name]
    return {"closed": list(sums.values())[:SYMBOLS]}


async def _alerts(
    client: DashboardClient, start: datetime, end: End, book: str | None
) -> Mapping[str, Any]:
    raised: Counter[str] = Counter()
    async for alert in client.alerts(start_time=start, end_time=end, limit=MOST_RECORDS, book=book):
        raised[alert["severity"]] += 1
    severe = await client.alerts(severity=SEVERE, status="active", limit=NEWEST_ALERTS, book=book)
    fields = ("id", "severity", "title", "source", "created_at")
    return {
        "raised": raised,
        "newest_severe_unacknowledged": [_only(fields, row) for row in severe],
    }


async def _agents(
    client: DashboardClient, start: datetime, end: End, book: str | None
) -> Mapping[str, Any]:
    states: Counter[str] = Counter()
    in_error = []
    async for agent in client.agents(start_time=start, end_time=end):
        states[agent["state"]] += 1
        if agent["state"] == "error":
            in_error.append(agent["agent_id"])
    return {"by_state": states, "in_error": in_error[:SYMBOLS]}


async def _models(
    client: DashboardClient, start: datetime, end: End, book: str | None
) -> Mapping[str, Any]:
    costs: dict[str, Decimal] = {}
    calls = unpriced = 0
    async for row in client.usage(group_by="book", start_time=start, end_time=end, book=book):
        calls += row["calls"]
        if row["cost"] is None or row["currency"] is None:
            unpriced += row["calls"]
        else:
            costs[row["currency"]] = costs.get(row["currency"], Decimal(0)) + row["cost"]
    return {"calls": calls, "calls_of_unknown_cost": unpriced, "costs": costs}


async def _system(
    client: DashboardClient, start: datetime, end: End, book: str | None
) -> Mapping[str, Any]:
    recent = max(start, (end or datetime.now(UTC)) - RECENT)
    newest: dict[str, Mapping[str, Any]] = {}
    async for sample in client.system(start_time=recent, end_time=end):
        newest[sample["component"]] = sample
    fields = ("component", "status", "timestamp", "message")
    unwell = [row for row in newest.values() if row["status"] != "healthy"]
    return {
        "components": len(newest),
        "not_healthy": [_only(fields, row) for row in unwell[:SYMBOLS]],
    }


def _only(fields: Sequence[str], row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in fields}


_PARTS: Final[Mapping[str, Part]] = {
    "portfolio": _portfolio,
    "trades": _trades,
    "profit": _profit,
    "alerts": _alerts,
    "agents": _agents,
    "models": _models,
    "system": _system,
}
