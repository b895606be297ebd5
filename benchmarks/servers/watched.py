"""Our server as `serve` runs it, with a ticker in its loop that reports its worst lateness."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig, LoggingConfig, RateLimitConfig
from alphapulse_api.runtime.tuning import tune
from tests.lateness import Lateness

from ..stalls import Shared
from .announcing import announce_dashboard


async def main(directory: str) -> None:
    config = Config(
        port=0,
        database=DatabaseConfig(url=f"sqlite:///{directory}/benchmark.db"),
        rate_limit=RateLimitConfig(enabled=False),
        logging=LoggingConfig(level="error"),
    )
    shared = Shared(Path(directory))
    async with Dashboard(config) as dashboard, Lateness() as lateness:
        await announce_dashboard(dashboard, "admin")
        while True:
            await asyncio.sleep(0.01)
            if shared.asked:
                shared.answer(lateness.wall, lateness.longest)
                lateness.wall = lateness.longest = 0.0


if __name__ == "__main__":
    tune()  # as `serve` does
    uvloop.run(main(*sys.argv[1:]))
