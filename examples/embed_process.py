"""A dashboard in a separate process: the trading loop calls plain functions.

    python examples/embed_process.py

A trade is stored when its call returns. Metrics are handed over within microseconds and stored soon
after. The prices are a random walk.
"""

from __future__ import annotations

import argparse
import random
import time

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig


def main(port: int, steps: int, pause: float, database: str) -> None:
    """Trade a random walk in this thread."""
    config = Config(port=port, database=DatabaseConfig(url=f"sqlite:///{database}"))
    walk = random.Random(11)  # noqa: S311
    price = 50.0
    with Dashboard.in_process(config) as feed:
        print(f"dashboard: {feed.url}/docs", flush=True)
        for step in range(steps):
            price = max(1.0, round(price + walk.uniform(-1, 1), 2))
            started = time.perf_counter()
            feed.record_trade(
                {
                    "symbol": "WALK",
                    "side": "buy" if step % 2 == 0 else "sell",
                    "quantity": "1.5",
                    "price": price,
                }
            )
            took = time.perf_counter() - started
            feed.record_metrics(
                {"metric_type": "system", "name": "record_seconds", "value": took}, wait=False
            )
            time.sleep(pause)
        feed.report_system({"component": "loop", "status": "offline", "message": "ended"})
    stats = feed.stats()
    print(f"stored {stats.stored} of {stats.taken} records", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between steps")
    parser.add_argument("--database", default="embedded.db")
    given = parser.parse_args()
    main(given.port, given.steps, given.pause, given.database)
