"""The lines of docs/embedding.md that need no other library, run as they stand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.client import SyncDashboardClient
from alphapulse_api.embed.feed import HostFeed
from tests.conftest import Serve
from tests.documented import GENERAL, LINES
from tests.embedding import settled

FILLS = pd.DataFrame(
    {
        "symbol": "AAPL", "side": ["buy", "sell"], "quantity": 10, "price": [187.2, 188.05],
        "executed_at": pd.date_range("2024-01-02 15:00", periods=2, tz="UTC"),
    }
)  # fmt: skip
CURVE = pd.Series([100_000.0, 100_008.5], index=FILLS["executed_at"])


@pytest.fixture
def feed(config: Config) -> Iterator[HostFeed]:
    with Dashboard.in_thread(config) as feed:
        yield feed


@pytest.mark.parametrize(
    "name", ["a program of any kind", "one on Windows, or with accessors of its own"]
)
def test_a_line_starts_a_dashboard(name: str, config: Config) -> None:
    names: dict[str, Any] = {"Dashboard": Dashboard, "Config": lambda port: config}
    exec(LINES[name], names)
    feed = names["feed"]
    try:
        assert set(feed.health().values()) == {"ok"}
    finally:
        feed.close()


async def test_a_line_starts_a_dashboard_in_the_loop(config: Config) -> None:
    names: dict[str, Any] = {"Dashboard": Dashboard, "Config": lambda port: config}
    line = LINES["a small asyncio program"]
    exec(f"async def main():\n    {line}\n        return await dashboard.health()", names)
    assert set((await names["main"]()).values()) == {"ok"}


async def test_a_line_connects_from_another_machine(serve: Serve) -> None:
    server = await serve()
    key = (await server.key("publish"))["X-API-Key"]

    def connect() -> str:
        names: dict[str, Any] = {
            "SyncDashboardClient": lambda url, **given: SyncDashboardClient(server.url, **given),
            "key": key,
        }
        exec(LINES["a program on another machine"], names)
        with names["feed"] as feed:
            return str(feed.me()["auth"])

    assert await asyncio.to_thread(connect) == "api_key"


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("an order or a fill", 1),
        ("fills in a DataFrame", 2),
        ("a metric in a fast loop", 1),
        ("a backtest, or the past", 4),
    ],
)
def test_a_line_records(name: str, stored: int, feed: HostFeed) -> None:
    exec(LINES[name], {"feed": feed, "fills": FILLS, "curve": CURVE})
    settled(feed)
    assert feed.stats().stored == stored


def test_the_table_has_these_lines() -> None:
    assert LINES.keys() >= GENERAL
