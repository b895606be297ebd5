"""Our server, which prints the peak of its resident memory for each line that it reads."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import secrets
import sys

import uvloop

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import AuthConfig, DatabaseConfig, LoggingConfig, RateLimitConfig
from alphapulse_api.runtime.tuning import tune


async def main(url: str) -> None:
    config = Config(
        port=0,
        database=DatabaseConfig(url=url),
        auth=AuthConfig(jwt_secret=secrets.token_hex(32)),
        rate_limit=RateLimitConfig(requests_per_minute=60_000_000),
        logging=LoggingConfig(level="error"),
    )
    async with Dashboard(config) as dashboard:
        _, key = await dashboard.accounts.create_api_key(
            f"reader-{os.getpid()}", {"publish", "view_trades"}
        )
        print(json.dumps([dashboard.url, key]), flush=True)
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, sys.stdin.readline):
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)


if __name__ == "__main__":
    tune()  # as `serve` does
    uvloop.run(main(*sys.argv[1:]))
