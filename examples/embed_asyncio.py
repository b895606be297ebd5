"""A dashboard inside an asyncio trading loop: one process, one loop, no servers to set up.

    python examples/embed_asyncio.py

The prices are a random walk; replace `trade` by your own loop.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from decimal import Decimal

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig


async def trade(dashboard: Dashboard, steps: int, pause: float) -> None:
    """Trade a random walk, and record everything."""
    feed = dashboard.feed
    walk = random.Random(7)  # noqa: S311
    price, cash, held = Decimal("100.00"), Decimal("10000.00"), 0
    await feed.update_agent("walker", {"agent_type": "random", "state": "active"})
    for step in range(steps):
        price = max(Decimal("1.00"), price + Decimal(walk.randint(-150, 150)) / 100)
        side = "buy" if step % 2 == 0 else "sell"
        signal = {"symbol": "WALK", "direction": side, "confidence": 0.5}
        await feed.record_signal("walker", signal)
        order = {"symbol": "WALK", "side": side, "quantity": 10, "price": price}
        await feed.record_trade({**order, "agent_id": "walker", "strategy": "walk"})
        held += 10 if side == "buy" else -10
        cash += -10 * price if side == "buy" else 10 * price
        position = {"symbol": "WALK", "quantity": held, "current_price": price}
        positions = [position] if held else []
        value = cash + held * price
        await feed.update_portfolio({"total_value": value, "cash": cash, "positions": positions})
        await feed.record_metrics(
            {"metric_type": "performance", "name": "total_value", "value": float(value)}
        )
        if value < 9990:
            await feed.raise_alert({"title": "Losing", "severity": "warning", "source": "walker"})
        await asyncio.sleep(pause)


async def main(port: int, steps: int, pause: float, database: str) -> None:
    """Serve the dashboard while trading."""
    config = Config(port=port, database=DatabaseConfig(url=f"sqlite:///{database}"))
    async with Dashboard(config) as dashboard:
        print(f"dashboard: {dashboard.url}/docs", flush=True)
        await trade(dashboard, steps, pause)
        portfolio = await dashboard.portfolio.get_portfolio()
        print(f"ended with {portfolio['total_value']} {portfolio['currency']}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between steps")
    parser.add_argument("--database", default="embedded.db")
    given = parser.parse_args()
    asyncio.run(main(given.port, given.steps, given.pause, given.database))
