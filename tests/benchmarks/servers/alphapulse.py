"""Ours, with everything on that a deployment has: JWT, rate limit, cache, SQLite.

The rate limit is computed on every request but set so high that it never refuses.
"""

from __future__ import annotations

import asyncio
import secrets
import sys

import uvloop
from aiohttp import ClientSession

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig, LoggingConfig, RateLimitConfig

from ..harness import announce
from ..points import read_points

USER = "bench"


async def main(directory: str, role: str = "viewer") -> None:
    config = Config(
        port=0,
        database=DatabaseConfig(url=f"sqlite:///{directory}/benchmark.db"),
        rate_limit=RateLimitConfig(requests_per_minute=60_000_000),
        logging=LoggingConfig(level="warning"),
    )
    password = secrets.token_urlsafe(24)
    async with Dashboard(config) as dashboard:
        await dashboard.feed.record_metrics(read_points(directory))
        await dashboard.accounts.set_user(USER, role, password)
        form = {"grant_type": "password", "username": USER, "password": password}
        url = dashboard.url.rstrip("/")
        async with ClientSession() as client, client.post(f"{url}/token", data=form) as answer:
            answer.raise_for_status()
            token = (await answer.json())["access_token"]
        announce(int(url.rsplit(":", 1)[1]), token)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
