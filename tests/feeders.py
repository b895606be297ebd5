"""Programs that feed a dashboard until they are killed: what they have in common.

Each prints the ids of what was answered; a test reads the pipe to its end.
"""

from __future__ import annotations

from typing import Final

LOOPS: Final = """
import asyncio, json, os, signal, sys
from alphapulse_api import Config, Dashboard
from alphapulse_api.config import AuthConfig, DatabaseConfig, EventsConfig

def answered(*words):
    # One write a line: a line that reaches the pipe at all reaches it whole.
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

async def trades(feed, who):
    for number in range(10**9):
        id = f"{who}-{number}"
        await feed.record_trade(
            {"id": id, "symbol": "BTC", "side": "buy", "quantity": "0.1", "price": "67123.50"})
        answered("trade", id)

async def batches(feed, who):
    for number in range(10**9):
        ids = [f"{who}-{number}-{part}" for part in range(20)]
        await feed.record_trades(
            [{"id": id, "symbol": "ETH", "side": "sell", "quantity": 1, "price": 1} for id in ids])
        for id in ids:
            answered("trade", id)

async def alerts(feed, who):
    for number in range(10**9):
        id = f"{who}-{number}"
        await feed.raise_alert({"id": id, "title": "drawdown"})
        answered("alert", id)
        await feed.acknowledge_alert(id, "ann")
        await feed.resolve_alert(id)

async def portfolios(feed, round):
    for number in range(10**9):
        as_of = 1_700_000_000 + 10_000 * round + number
        await feed.update_portfolio({"total_value": number, "cash": 0, "as_of": as_of})
        answered("portfolio", as_of)
"""

# For each line of the input a process of its own, which need not import everything anew.
FORKS: Final = """
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        asyncio.run(main(*json.loads(line)))
    answered("pid", pid)
    answered("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
