"""A portfolio of 2,000 positions: the same bytes in every form, and how long it holds the loop."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api.config import AuthConfig, DatabaseConfig
from alphapulse_api.runtime.tuning import SWITCH_SECONDS
from tests.asking import ask
from tests.conftest import Serve, Server
from tests.hostile import Hostile, Sender, raw
from tests.lateness import Lateness
from tests.socket_client import connect

LONGEST = 0.010  # seconds
TRIES = 6


def wide(update: int) -> dict[str, Any]:
    """A portfolio of 2,000 positions, of which each update changes ten and the total."""
    return {
        "total_value": f"{1_000_000 + update}.25",
        "cash": "1000",
        "positions": [
            {
                "symbol": f"SYM{n}",
                "quantity": "10.5",
                "entry_price": "101.25",
                "current_price": f"{100 + n % 50 + (update if n < 10 else 0)}.37",
                "opened_at": "2026-03-01T12:00:00Z",
            }
            for n in range(2000)
        ],
    }


@pytest.fixture
def as_served() -> Iterator[None]:
    """Threads take turns as in `serve`; no pause of the collector, which looks at all of pytest."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    sys.setswitchinterval(interval)


async def test_an_answer_a_snapshot_and_an_event_are_the_same_bytes(server: Server) -> None:
    caller = await server.key("publish")
    await ask(server, "PUT", "/api/portfolio", caller, json=wide(0))
    async with connect(server, await server.key()) as client:
        await client.ask(type="subscribe", channels=["portfolio"], snapshot=True)
        snapshot = await client.receive("portfolio")
        stored = await ask(server, "PUT", "/api/portfolio", caller, json=wide(1))
        event = await client.receive("portfolio")
    shown = await ask(server, "GET", "/api/portfolio", caller)
    assert shown.json == stored.json == event["data"]
    assert snapshot["data"]["total_value"] == "1000000.25"
    weights = [position["weight"] for position in shown.json["positions"][:2]]
    assert weights == [10.5 * 101.37 / 1_000_001.25, 10.5 * 102.37 / 1_000_001.25]


@pytest.mark.stalls
@pytest.mark.usefixtures("as_served")
async def test_an_update_of_2000_positions_stalls_nobody(server: Server, tmp_path: Path) -> None:
    await _update(server, tmp_path)


@pytest.mark.stalls
@pytest.mark.usefixtures("as_served")
async def test_an_update_of_2000_positions_in_postgres_stalls_nobody(
    serve: Serve, postgres_url: str, tmp_path: Path
) -> None:
    database = DatabaseConfig(url=postgres_url)
    await _update(await serve(database=database, auth=AuthConfig(jwt_secret="s" * 40)), tmp_path)


async def _update(server: Server, folder: Path) -> None:
    caller = await server.key("publish")
    host, port = server.url.removeprefix("http://").split(":")
    key = await server.key()
    async with connect(server, key) as client, connect(server, key) as changes:
        await client.ask(type="subscribe", channels=["portfolio"])
        options = {"portfolio": {"positions": "changes"}}
        await changes.ask(type="subscribe", channels=["portfolio"], options=options)
        with Sender(host, int(port), folder) as sender:
            for name, first in (("update", 0), ("whole", 10_000)):
                stalls = []
                # The first one of all has no position before it; each whole one has other prices.
                for n in range(TRIES):
                    body = wide(first + n) if name == "update" else _other(first + n)
                    sent = Hostile(name, "PUT", "/api/portfolio", json.dumps(body).encode())
                    sender.prepare(raw(sent, caller))
                    async with Lateness() as lateness:
                        assert await asyncio.to_thread(sender.send) == 200
                    stalls.append(lateness.longest)
                    assert (await client.receive("portfolio"))["data"]["total_value"]
                    assert (await changes.receive())["data"]["total_value"]
                print("STALLS", name, [f"{stall * 1e3:.1f}" for stall in stalls])
                assert sorted(stalls)[1] < LONGEST, name


def _other(update: int) -> dict[str, Any]:
    body = wide(update)
    for n, position in enumerate(body["positions"]):
        position["current_price"] = f"{100 + n % 50 + update}.37"
    return body
