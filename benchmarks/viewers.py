"""Viewers of a dashboard in a separate process: 20 sockets, an export, a chart."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

VIEWERS = 20
DAYS = 7
SUBSCRIBE = {"type": "subscribe", "channels": ["metrics", "trades"]}


async def _watch(session: aiohttp.ClientSession, url: str) -> None:
    async with session.ws_connect(f"{url}/ws", max_msg_size=0) as socket:
        await socket.send_json(SUBSCRIBE)
        async for _ in socket:
            pass


async def _read(session: aiohttp.ClientSession, url: str, params: dict[str, str]) -> None:
    """Send a GET again and again, and read the whole answer."""
    headers = {"Cache-Control": "no-cache"}
    while True:
        async with session.get(url, params=params, headers=headers) as answer:
            answer.raise_for_status()
            async for _ in answer.content.iter_any():
                pass


async def main(url: str, password: str, *habits: str) -> None:
    """View until killed."""
    form = {"grant_type": "password", "username": "admin", "password": password}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.post(f"{url}/token", data=form) as answer:
            token = (await answer.json())["access_token"]
        session.headers["Authorization"] = f"Bearer {token}"
        works: list[Any] = []
        if "viewers" in habits:
            works += [_watch(session, url) for _ in range(VIEWERS)]
        path = f"{url}/api/metrics/risk"
        begin = (datetime.now(UTC) - timedelta(days=DAYS)).isoformat()
        if "export" in habits:
            works.append(_read(session, path, {"format": "csv", "start_time": begin}))
        if "chart" in habits:
            works.append(_read(session, path, {"interval": "auto", "start_time": begin}))
        print(json.dumps("ready"), flush=True)
        await asyncio.gather(*works)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
