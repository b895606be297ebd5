"""How many turns of the event loop a write takes.

Each turn is as long as what the readers put into it, so beside many readers a write waits longer
with each further turn.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.auth.permissions import PUBLISH
from alphapulse_api.config import AuthConfig, DatabaseConfig
from tests.forging import SECRET
from tests.turns import CountingSelector, run_counting

TRADE: Final = {"symbol": "BTC/USD", "side": "buy", "quantity": "1", "price": "67123.50"}
ALERT: Final = {"title": "Drawdown", "message": "Too large.", "severity": "info", "source": "risk"}
SIGNAL: Final = {"symbol": "BTC/USD", "direction": "buy", "confidence": 0.5}
POINT: Final = {"metric_type": "risk", "name": "var", "value": 1.0}
WRITES: Final = 20  # the fewest turns count: now and then a timer of the dashboard takes one
# Before this version, a task begins one turn after it is made.
LATER: Final = 1 if sys.version_info < (3, 12) else 0

WRITTEN: Final[dict[str, Callable[[Any], Awaitable[object]]]] = {
    "trade": lambda feed: feed.record_trade(TRADE),
    "alert": lambda feed: feed.raise_alert(ALERT),
    "signal": lambda feed: feed.record_signal("momentum-1", SIGNAL),
    "point": lambda feed: feed.record_metrics(POINT),
}
# Concurrent points are stored by one task for all of their calls.
TASKS: Final = {"trade": 1, "alert": 1, "signal": 1, "point": 2}
POSTED: Final[dict[str, tuple[str, object]]] = {
    "trade": ("/api/trades", TRADE),
    "alert": ("/api/alerts", ALERT),
    "signal": ("/api/agents/momentum-1/signals", SIGNAL),
    "point": ("/api/metrics", POINT),
}


def _config(folder: Path) -> Config:
    database = DatabaseConfig(url=f"sqlite:///{folder}/store.db")
    return Config(port=0, database=database, auth=AuthConfig(jwt_secret=SECRET))


@pytest.mark.parametrize("record", WRITTEN)
def test_the_feed_returns_in_the_turn_after_the_commit(tmp_path: Path, record: str) -> None:
    async def work(selector: CountingSelector) -> int:
        async with Dashboard(_config(tmp_path), serve=False) as dashboard:
            turns = []
            for _ in range(WRITES):
                before = selector.turns
                await WRITTEN[record](dashboard.feed)
                turns.append(selector.turns - before)
            return min(turns)

    # What the call before has left, or the beginning of this one; the answer to the commit.
    assert run_counting(work) == 2 + (TASKS[record] - 1) * LATER


@pytest.mark.parametrize("record", POSTED)
def test_a_post_is_answered_in_the_turn_after_the_commit(tmp_path: Path, record: str) -> None:
    path, body = POSTED[record]

    async def work(selector: CountingSelector) -> int:
        async with Dashboard(_config(tmp_path)) as dashboard:
            _, key = await dashboard.accounts.create_api_key("bot", {PUBLISH})
            request = _post(path, key, json.dumps(body).encode())
            url = urlsplit(dashboard.url)
            address = (str(url.hostname), url.port or 0)
            return min(await asyncio.to_thread(lambda: list(_turns(selector, address, request))))

    # The packet arrives, the connection takes it, the handler begins, the slices begin their next
    # turn, and the commit is answered.
    assert run_counting(work) == 5 + TASKS[record] * LATER


def _turns(selector: CountingSelector, address: tuple[str, int], request: bytes) -> Iterable[int]:
    """How many turns the loop of a server takes for a request, until it waits again."""
    with socket.create_connection(address) as connection:
        for _ in range(WRITES):
            selector.idle.wait()
            before = selector.turns
            connection.sendall(request)
            assert connection.recv(65536).startswith(b"HTTP/1.1 201")
            selector.idle.wait()
            yield selector.turns - before


def _post(path: str, key: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
