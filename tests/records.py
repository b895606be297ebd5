"""Validated records, as the accessors take them, and pages of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from tests.engines import at

Listing = Callable[..., Awaitable[Any]]


def trade(id_: str, seconds: float = 0, **fields: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "symbol": "BTC",
        "side": "buy",
        "quantity": Decimal("0.1"),
        "price": Decimal("67123.50"),
        "value": Decimal("6712.350"),
        "order_type": "market",
        "status": "filled",
        "executed_at": at(seconds),
        "metadata": {},
        **fields,
    }


def alert(id_: str, seconds: float = 0, **fields: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "title": "drawdown",
        "message": "",
        "severity": "warning",
        "created_at": at(seconds),
        "tags": [],
        "metadata": {},
        **fields,
    }


def signal(id_: str, seconds: float = 0, **fields: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "agent_id": "m1",
        "symbol": "BTC",
        "direction": "buy",
        "timestamp": at(seconds),
        "metadata": {},
        **fields,
    }


def decision(id_: str, seconds: float = 0, **fields: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "made_at": at(seconds),
        "received_at": at(seconds),
        "agent_id": "m1",
        "reasoning": "why",
        "symbols": ["BTC"],
        "signal_ids": [],
        "votes": [],
        "targets": [],
        "constraints": [],
        "usage": [],
        "metadata": {},
        **fields,
    }


def sample(component: str, seconds: float = 0, **fields: Any) -> dict[str, Any]:
    return {
        "component": component,
        "status": "healthy",
        "timestamp": at(seconds),
        "metrics": {},
        **fields,
    }


def ids(rows: Any) -> list[str]:
    return [row.get("id") or row["component"] for row in rows]


async def walked(listing: Listing, limit: int, **query: Any) -> list[str]:
    """The ids of all pages, each of them checked for its size."""
    found: list[str] = []
    cursor = None
    while True:
        page = await listing(**query, limit=limit, cursor=cursor)
        found += ids(page)
        if (cursor := page.next_cursor) is None:
            return found
        assert len(page) == limit


def snapshot(seconds: float, value: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "total_value": Decimal(value),
        "cash": Decimal(0),
        "currency": "USD",
        "positions": [],
        "performance": {},
        "as_of": at(seconds),
        **fields,
    }
