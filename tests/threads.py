"""Hosts of a dashboard in a thread, and a way to block its event loop."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import closing, suppress
from typing import Any

import pytest

from alphapulse_api import Config
from alphapulse_api.domain.errors import (
    Unavailable,
)
from alphapulse_api.embed.thread_dashboard import ThreadFeed
from alphapulse_api.record.feed import Feed

TRADE = {"symbol": "BTC-USD", "side": "buy", "quantity": 1, "price": 10}


def stored_trades(config: Config) -> int:
    path = config.database.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as file:
        (count,) = file.execute("SELECT count(*) FROM trades").fetchone()
    return int(count)


def join_dashboards() -> None:
    """Wait for the threads of dashboards that end."""
    for thread in threading.enumerate():
        if thread.name.startswith("alphapulse"):
            thread.join(30)


class Blocker:
    """Blocks the event loop of a dashboard, by a call of its feed, until `end`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        blocked, self._go_on = threading.Event(), threading.Event()

        async def block(feed: Feed, alert_id: str) -> dict[str, Any]:
            blocked.set()
            self._go_on.wait()
            return {"id": alert_id}

        monkeypatch.setattr(Feed, "resolve_alert", block)
        self._blocked = blocked

    def start(self, feed: ThreadFeed) -> None:
        """Return once the loop is blocked."""

        def call() -> None:
            with suppress(Unavailable):
                feed.resolve_alert("a")

        self._caller = threading.Thread(target=call)
        self._caller.start()
        assert self._blocked.wait(10)

    def end(self) -> None:
        """Let the loop go on, and wait for the call."""
        self._go_on.set()
        self._caller.join()


def run_host(config: Config, body: str, *, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a host's program with `config` and `Dashboard` at hand."""
    program = f"""
import os, sys
from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig
TRADE = {TRADE!r}
config = Config(port=0, database=DatabaseConfig(url={config.database.url!r}))
{textwrap.dedent(body)}
"""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "AP_ADMIN_PASSWORD": "correct horse battery"},
    )
