"""The times of lists: what is understood, and which ranges are refused."""

from __future__ import annotations

import pytest
from yarl import URL

from tests.asking import TRADE, ask, places
from tests.conftest import Server

MIDNIGHT = "2026-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("said", "instant"),
    [
        ("2026-01-01T00:00:00Z", MIDNIGHT),
        ("2026-01-01t00:00:00z", MIDNIGHT),
        ("2026-01-01T00:00:00%2B00:00", MIDNIGHT),
        ("2026-01-01T00:00:00+00:00", MIDNIGHT),
        ("2026-01-01T02:00:00+02:00", MIDNIGHT),
        ("2025-12-31T19:00:00-05:00", MIDNIGHT),
        ("1767225600", MIDNIGHT),
        ("1767225600.25", "2026-01-01T00:00:00.250000Z"),
        ("1767225600000", MIDNIGHT),
        ("2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:00.000001Z"),
    ],
)
async def test_times_are_understood_as_people_write_them(
    server: Server, said: str, instant: str
) -> None:
    """Found from that instant on, and not before it: the range is half-open."""
    caller = await server.key()
    trade = await server.feed.record_trade({**TRADE, "executed_at": instant})
    assert (await server.json(f"/api/trades/{trade['id']}", caller))["executed_at"] == instant
    url = URL(f"{server.url}/api/trades?start_time={said}", encoded=True)
    async with server.session.get(url, headers=caller) as response:
        assert len(await response.json()) == 1
    url = URL(f"{server.url}/api/trades?end_time={said}", encoded=True)
    async with server.session.get(url, headers=caller) as response:
        assert await response.json() == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("start_time=2026-01-01T00:00:00", ["start_time"]),
        ("end_time=2026-01-01", ["end_time"]),
        ("start_time=yesterday", ["start_time"]),
        ("start_time=", ["start_time"]),
        ("start_time=nan", ["start_time"]),
        ("start_time=2026-13-01T00:00:00Z", ["start_time"]),
        ("start_time=9999999999999999999999", ["start_time"]),
        ("start_time=2026-01-02T00:00:00Z&end_time=2026-01-01T00:00:00Z", ["start_time"]),
        ("start_time=2026-01-01T00:00:00Z&end_time=2026-01-01T00:00:00Z", ["start_time"]),
    ],
)
async def test_bad_ranges_are_named(server: Server, query: str, expected: list[str]) -> None:
    caller = await server.key()
    paths = (
        "metrics/risk",
        "portfolio",
        "alerts",
        "trades",
        "agents",
        "agents/x/signals",
        "system",
    )
    for path in paths:
        assert places(await ask(server, "GET", f"/api/{path}?{query}", caller)) == expected, path
