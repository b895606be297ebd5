"""Our server on a given database, with the cache and without a rate limit."""

from __future__ import annotations

import asyncio
import secrets
import sys

import uvloop

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import AuthConfig, DatabaseConfig, LoggingConfig, RateLimitConfig
from alphapulse_api.runtime.tuning import tune

from .announcing import announce_dashboard


async def main(url: str) -> None:
    config = Config(
        port=0,
        database=DatabaseConfig(url=url),
        auth=AuthConfig(jwt_secret=secrets.token_hex(32)),
        rate_limit=RateLimitConfig(enabled=False),
        logging=LoggingConfig(level="error"),
    )
    async with Dashboard(config) as dashboard:
        await announce_dashboard(dashboard, "admin")
        await asyncio.Event().wait()


if __name__ == "__main__":
    tune()  # as `serve` does
    uvloop.run(main(*sys.argv[1:]))
