"""What viewers read of a dashboard in a thread makes its host late by a bounded time."""

from __future__ import annotations

import json
import sys
import threading
import time
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig, RateLimitConfig
from tests.hostile import Hostile, Sender, raw
from tests.socket_client import point

PASSWORD = "correct horse battery"
BOUND = sys.getswitchinterval()  # seconds: without pauses a tick waits for all of it, and longer
TICK = 0.001
POINTS = 100_000
TRIES = 4
READS = {
    "CSV": "export?format=csv",
    "NDJSON": "export?format=ndjson",
    "Arrow": "export?format=arrow",
    "a page": "?limit=10000",
    "a chart": "?interval=auto",
}


def lateness(reading: threading.Thread) -> float:
    """The 99th percentile of how late ticks are while a thread runs.

    A tick counts as no later than this process ran meanwhile.
    """
    late: list[float] = []
    reading.start()
    while reading.is_alive():
        began, ran = time.perf_counter(), time.process_time()
        time.sleep(TICK)
        waited = time.perf_counter() - began - TICK
        late.append(min(waited, time.process_time() - ran))
    return sorted(late)[len(late) * 99 // 100]


@pytest.mark.stalls
@pytest.mark.parametrize("read", READS)
def test_a_reader_makes_no_tick_of_the_host_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    monkeypatch.setenv("AP_ADMIN_PASSWORD", PASSWORD)
    config = Config(
        port=0,
        database=DatabaseConfig(url=f"sqlite:///{tmp_path / 'test.db'}"),
        rate_limit=RateLimitConfig(enabled=False),
    )
    begin = datetime.now(UTC) - timedelta(days=6)
    with Dashboard.in_thread(config) as feed:
        for at in range(0, POINTS, 10_000):
            feed.record_metrics(
                [
                    point(f"m{n % 20}", timestamp=begin + n * timedelta(seconds=5))
                    for n in range(at, at + 10_000)
                ]
            )
        url = urllib.parse.urlsplit(feed.url)
        form = {"grant_type": "password", "username": "admin", "password": PASSWORD}
        body = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(f"{feed.url}/token", body) as answer:
            token = json.load(answer)["access_token"]
        path, _, query = READS[read].partition("?")
        path = "/api/metrics/risk" + (f"/{path}" if path else "")
        request = Hostile(read, "GET", f"{path}?{query}&start_time=0", b"")
        head = {"Authorization": f"Bearer {token}", "Cache-Control": "no-cache"}
        assert url.hostname is not None
        assert url.port is not None
        with Sender(url.hostname, url.port, tmp_path) as sender:
            sender.prepare(raw(request, head))
            statuses: list[int] = []
            found: list[float] = []
            while len(found) < TRIES and (not found or found[-1] > BOUND):
                reading = threading.Thread(
                    target=lambda: statuses.extend(sender.send() for _ in range(5))
                )
                found.append(lateness(reading))
    assert set(statuses) == {200}
    assert found[-1] <= BOUND
