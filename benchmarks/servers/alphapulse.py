"""Our server, with all features of a deployment: JWT, rate limit, cache, SQLite.

The rate limit is computed on every request but set so high that it never refuses.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig, LoggingConfig, RateLimitConfig
from alphapulse_api.runtime.tuning import tune

from ..points import read_points
from .announcing import announce_dashboard


async def main(directory: str, role: str = "viewer") -> None:
    config = Config(
        port=0,
        database=DatabaseConfig(url=f"sqlite:///{directory}/benchmark.db"),
        rate_limit=RateLimitConfig(requests_per_minute=60_000_000),
        logging=LoggingConfig(level="warning"),
    )
    async with Dashboard(config) as dashboard:
        await dashboard.feed.record_metrics(read_points(directory))
        await announce_dashboard(dashboard, role)
        await asyncio.Event().wait()


if __name__ == "__main__":
    tune()  # as `serve` does
    uvloop.run(main(*sys.argv[1:]))
