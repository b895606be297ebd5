"""A model that asks a dashboard through the server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from mcp import Client

from alphapulse_api.auth.permissions import VIEWS
from alphapulse_api.domain.times import now
from alphapulse_api.mcp.callers import Callers
from alphapulse_api.mcp.server import create_server
from tests.conftest import Server


@asynccontextmanager
async def asking(server: Server, *scopes: str) -> AsyncIterator[Client]:
    """A client of a server with the rights of a key of these scopes; without any, every view."""
    key = await key_of(server, *scopes)
    async with Callers(server.url, key) as callers, Client(create_server(callers)) as client:
        yield client


async def key_of(server: Server, *scopes: str) -> str:
    """A fresh key of these scopes; without any, of every view."""
    _, key = await server.dashboard.accounts.create_api_key("model", set(scopes) or VIEWS)
    return key


async def ask(client: Client, tool: str, **arguments: Any) -> Any:
    """The answer of a tool that succeeds."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return json.loads(text_of(result))


def text_of(result: Any) -> str:
    (content,) = result.content
    return str(content.text)


async def fill(server: Server) -> None:
    """A small fund with a day of history."""
    feed = server.feed
    for hours, value in ((25, 1000), (1, 1100)):
        await feed.update_portfolio(
            {
                "total_value": value,
                "cash": 100,
                "currency": "USD",
                "as_of": now() - timedelta(hours=hours),
                "positions": [{"symbol": "AAPL", "quantity": 5, "current_price": 200}],
            }
        )
    await feed.record_trades(
        [
            {"id": f"t-{n}", "symbol": "AAPL", "side": "buy", "quantity": 1, "price": 200}
            for n in range(3)
        ]
    )
    await feed.raise_alert({"id": "a-1", "title": "Drawdown", "severity": "critical"})
    await feed.update_agent("momentum-1", {"agent_type": "momentum", "state": "error"})
    usage = [{"model": "m", "input_tokens": 9, "cost": "0.25", "currency": "USD"}]
    signal = {"id": "s-1", "symbol": "AAPL", "direction": "buy", "thesis": "It rises, surely."}
    await feed.record_signal("momentum-1", {**signal, "usage": usage})
    trade = {"id": "t-9", "symbol": "AAPL", "side": "sell", "quantity": 1, "price": 210}
    await feed.record_decision(
        {"id": "d-1", "agent_id": "manager", "signal_ids": ["s-1"], "trades": [trade]}
    )
    await feed.report_system({"component": "broker", "status": "offline", "message": "timed out"})
    points = [
        {
            "metric_type": "risk",
            "name": "var",
            "value": n,
            "timestamp": now() - timedelta(minutes=n),
        }
        for n in range(120)
    ]
    await feed.record_metrics(points)
