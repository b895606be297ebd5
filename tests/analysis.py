"""Sixty days of a small account: what the examples, the recipes and the dashboard are shown."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from alphapulse_api.record.feed import Feed

DAYS = 60
DAY = timedelta(days=1)
# Noon, so that a day is the same one in whichever bucket it is put.
TODAY = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
FIRST = TODAY - DAYS * DAY


def worth(day: int) -> Decimal:
    """The account's value: a wave on a slope, to the cent."""
    return Decimal(round(100_000 + 150 * day + 4_000 * math.sin(day / 6), 2)).quantize(
        Decimal("0.01")
    )


# The amounts have more digits than a float, the times have fractions and have not, a symbol reads
# like a missing value, a trade has no fee, another no strategy, a third was never filled.
TRADES: list[dict[str, Any]] = [
    {"id": "t-1", "symbol": "AAPL", "side": "buy", "quantity": "10", "price": "187.20",
     "fee": "1.05", "strategy": "trend", "executed_at": FIRST + DAY},
    {"id": "t-2", "symbol": "BTC", "side": "buy", "quantity": "0.12345678",
     "price": "67123.12345678", "fee": "0.00000001", "strategy": "trend",
     "executed_at": FIRST + 2 * DAY + timedelta(milliseconds=250)},
    {"id": "t-3", "symbol": "NA", "side": "sell", "quantity": "7", "price": "101.10",
     "strategy": "pairs", "executed_at": FIRST + 3 * DAY},
    {"id": "t-4", "symbol": "AAPL", "side": "sell", "quantity": "4", "price": "191.50",
     "fee": "-0.20", "strategy": "trend", "executed_at": FIRST + 4 * DAY},
    {"id": "t-5", "symbol": "NA", "side": "buy", "quantity": "2", "price": "100.00",
     "executed_at": FIRST + 5 * DAY},
    {"id": "t-6", "symbol": "AAPL", "side": "buy", "quantity": "1000", "price": "1.00",
     "strategy": "trend", "status": "rejected", "executed_at": FIRST + 6 * DAY},
]  # fmt: skip
POSITIONS: list[dict[str, Any]] = [
    {"symbol": "AAPL", "quantity": "6", "entry_price": "187.20", "current_price": "195.00"},
    {"symbol": "BTC", "quantity": "0.12345678", "entry_price": "67123.12345678",
     "current_price": "70000.00"},
    {"symbol": "NA", "side": "short", "quantity": "5", "entry_price": "101.10"},
]  # fmt: skip
ALERTS: list[dict[str, Any]] = [
    {"id": "a-1", "title": "Before it all", "severity": "info", "created_at": FIRST + DAY},
    {"id": "a-2", "title": "Drawdown over 3 %", "severity": "critical", "source": "risk",
     "metric_value": 0.041, "threshold": 0.03,
     "tags": ["drawdown"], "metadata": {"book": 1}, "created_at": FIRST + 20 * DAY},
]  # fmt: skip


async def fed(feed: Feed) -> None:
    """Sixty days of portfolio and metrics, the trades, the alerts, an agent and its signals."""
    points, portfolios = [], []
    for day in range(DAYS):
        noon, value = FIRST + day * DAY, worth(day)
        portfolios.append(
            {
                "total_value": value,
                "cash": value - 10_000,
                "positions": POSITIONS,
                "performance": {"sharpe_ratio": 1.25},
                "as_of": noon,
            }
        )
        for name, level in (("var_95", 0.02), ("current_drawdown", 0.001 * day)):
            point = {"metric_type": "risk", "name": name, "labels": {"desk": "a"}}
            points += [
                {**point, "value": level + 0.001 * hour, "timestamp": noon + timedelta(hours=hour)}
                for hour in range(3)
            ]
    await asyncio.gather(*map(feed.update_portfolio, portfolios))
    await feed.record_metrics(points)
    await feed.record_trades(TRADES)
    for alert in ALERTS:
        await feed.raise_alert(alert)
    await feed.update_agent("momentum", {"agent_type": "technical", "state": "active"})
    await feed.record_signal(
        "momentum",
        {"symbol": "AAPL", "direction": "buy", "confidence": 0.8, "timestamp": TODAY - DAY},
    )
