"""Our server: a Dashboard on uvloop, with accounts, SQLite and the event log."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvloop

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig, LoggingConfig, WebSocketConfig
from alphapulse_api.runtime.tuning import tune
from tests import view

from ..control import obey
from ..events import Trades
from ..publishing import publish_at, publish_for, raise_file_limit, resident
from .announcing import announce_dashboard

MANY = 20_000
MAX_BUFFER = WebSocketConfig().max_buffer


async def main(directory: str, max_buffer: int = MAX_BUFFER) -> None:
    raise_file_limit()
    config = Config(
        port=0,
        database=DatabaseConfig(url=f"sqlite:///{directory}/benchmark.db"),
        logging=LoggingConfig(level="error"),
        # No pings among the counted frames; the peers send none either.
        websocket=WebSocketConfig(
            max_connections=MANY,
            max_user_connections=MANY,
            connects_per_minute=60 * MANY,
            ping_interval=3600,
            max_buffer=max_buffer,
        ),
    )
    async with Dashboard(config, first_user=False) as dashboard:
        orders = Orders(dashboard)
        await obey(
            directory,
            {"publish": orders.publish, "feed": orders.feed, "state": orders.state},
        )
        await announce_dashboard(dashboard)
        await asyncio.Event().wait()


class Orders:
    """The orders of the benchmark."""

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard
        self._backend = view.backend(dashboard)
        self._trades = Trades()

    async def publish(
        self, seconds: float, burst: int, limit: int | None = None, symbols: int = 0
    ) -> dict[str, Any]:
        """Append events directly to the log; with `symbols`, to that many symbols in turn."""
        trades, append = self._trades, self._backend.events.append
        if symbols:

            async def publish() -> None:
                await append("trades", [trades.record(f"S{trades.sent % symbols:06}")])
        else:

            async def publish() -> None:
                await append("trades", [trades.record()])

        (*_, connection) = self._backend.connections
        before = trades.bytes
        result = await publish_for(seconds, limit, burst, publish, connection.writer.transport)
        if self._backend.events.offset("trades") != trades.sent:
            raise RuntimeError("the event log counts otherwise than the benchmark")
        return {**result, "bytes": trades.bytes - before}

    async def feed(self, rate: float, seconds: float) -> dict[str, Any]:
        """Record trades through the feed: validated, stored, published."""

        async def record(at: int) -> None:
            trade = Trades().record()
            del trade["id"]
            await self._dashboard.feed.record_trade({**trade, "metadata": {"t": f"{at:020}"}})

        return await publish_at(rate, seconds, record)

    async def state(self) -> dict[str, Any]:
        """Memory, sockets, and sockets that were closed for being slow."""
        open_ = self._backend.connections
        return {"resident": resident(), "connections": len(open_), "evicted": open_.evicted}


if __name__ == "__main__":
    tune()  # as `serve` does
    uvloop.run(main(sys.argv[1], *map(int, sys.argv[2:])))
