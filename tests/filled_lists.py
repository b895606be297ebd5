"""Records in every list, and a walk along the pages of one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from yarl import URL

from tests.asking import ALERT, POINT, SAMPLE, SIGNAL, TRADE
from tests.conftest import Server

# Some time ago: the samples that a server takes of itself stand outside.
NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)


async def walk(server: Server, caller: dict[str, str], path: str) -> tuple[list[Any], int]:
    """All rows, by the Link headers alone, and how many pages they took."""
    rows: list[Any] = []
    pages = 0
    url = URL(server.url + path, encoded=True)
    while True:
        async with server.session.get(url, headers=caller) as response:
            assert response.status == 200, await response.text()
            page = await response.json()
            rows += page
            pages += 1
            following = response.links.get("next")
            cursor = response.headers.get("X-Next-Cursor")
        assert cursor == (following and following["url"].query["cursor"])
        if following is None:
            return rows, pages
        assert page, "a page before the last is not empty"
        link = following["url"]
        assert isinstance(link, URL)
        url = link


async def fill(server: Server, count: int) -> None:
    # Four to an instant: only the id orders them.
    at = [(NOW - timedelta(minutes=n // 4)).isoformat() for n in range(count)]
    await server.feed.record_trades([{**TRADE, "executed_at": t} for t in at])
    await server.feed.record_metrics(
        [{**POINT, "timestamp": t, "name": f"n{n % 4}"} for n, t in enumerate(at)]
    )
    for n, t in enumerate(at):
        await server.feed.raise_alert({**ALERT, "created_at": t})
        await server.feed.record_signal("x1", {**SIGNAL, "timestamp": t})
        await server.feed.report_system({**SAMPLE, "component": f"c{n % 4}", "timestamp": t})
