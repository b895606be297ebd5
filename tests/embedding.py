"""Hosts of dashboards in a process or a thread of their own, watched from outside and inside."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from alphapulse_api.embed.feed import HostFeed
from alphapulse_api.embed.process_dashboard import ProcessDashboard, ProcessFeed
from tests.socket_client import alert, point, portfolio, trade

SECONDS = 60.0  # a dashboard's process may take so long to start on a busy machine

COUNTS = {
    "trades": "SELECT count(*) FROM trades",
    "alerts": "SELECT count(*) FROM alerts",
    "points": "SELECT count(*) FROM metric_points",
    "signals": "SELECT count(*) FROM signals",
    "samples": "SELECT count(*) FROM system_samples WHERE component = 'host'",
    "snapshots": "SELECT count(*) FROM portfolio_snapshots",
}


def raised(feed: Any) -> str:
    """The id of a new alert."""
    id_: str = feed.raise_alert(alert())["id"]
    return id_


CALLS: dict[str, Callable[..., Any]] = {
    "record_metrics": lambda feed, **how: feed.record_metrics(point(), **how),
    "record_metrics of many": lambda feed, **how: feed.record_metrics([point()] * 3, **how),
    "record_metrics_batch": lambda feed, **how: feed.record_metrics_batch([point()] * 3, **how),
    "record_trade": lambda feed, **how: feed.record_trade(trade(), **how),
    "record_trades": lambda feed, **how: feed.record_trades([trade()], **how),
    "record_trades_batch": lambda feed, **how: feed.record_trades_batch([trade()], **how),
    "raise_alert": lambda feed, **how: feed.raise_alert(alert(), **how),
    "acknowledge_alert": lambda feed, **how: feed.acknowledge_alert(raised(feed), "ann", **how),
    "resolve_alert": lambda feed, **how: feed.resolve_alert(raised(feed), **how),
    "update_portfolio": lambda feed, **how: feed.update_portfolio(portfolio(), **how),
    "record_signal": lambda feed, **how: feed.record_signal(
        "m", {"symbol": "BTC", "direction": "buy"}, **how
    ),
    "record_decision": lambda feed, **how: feed.record_decision(
        {"agent_id": "m", "trades": [trade()]}, **how
    ),
    "update_agent": lambda feed, **how: feed.update_agent("m", {"state": "active"}, **how),
    "report_system": lambda feed, **how: feed.report_system(
        {"component": "c", "status": "healthy"}, **how
    ),
}


def until(condition: Callable[[], Any], seconds: float = SECONDS) -> None:
    """Wait for what another process does, of which there is no event to wait for."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def settled(feed: HostFeed) -> None:
    """Wait until nothing that was handed over is undecided."""
    until(lambda: not feed.stats().depth)


def stores_more(feed: ProcessFeed) -> None:
    """Wait until something is stored from now on."""
    before = feed.stats().stored
    until(lambda: feed.stats().stored > before)


def started_again(feed: ProcessFeed, times: int) -> None:
    """Wait until the dashboard's process runs after so many restarts."""
    until(lambda: (feed.stats().restarts, feed.stats().state) == (times, "running"))


def lives(pid: int) -> bool:
    """Whether the process runs: a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def process_of(dashboard: ProcessDashboard) -> int:
    """The id of the dashboard's process."""
    assert dashboard.pid is not None
    return dashboard.pid


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that does nothing meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def stored(path: Path) -> Counter[str]:
    """How many records of each kind a database has."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return Counter(
            {kind: connection.execute(sql).fetchone()[0] for kind, sql in COUNTS.items()}
        )


class Load:
    """Threads that feed a dashboard until they are ended; records have no ids of their own.

    Attributes:
        answered: the ids that calls returned.
        sent: calls that have returned, by kind.
    """

    def __init__(self, feed: ProcessFeed) -> None:
        self._feed = feed
        self._end = threading.Event()
        self._lock = threading.Lock()
        self.answered: set[str] = set()
        self.sent: Counter[str] = Counter()
        self.errors: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(w,)) for w in self._works()]

    def _works(self) -> list[Callable[[], None]]:
        trade = {"symbol": "BTC", "side": "buy", "quantity": "0.1", "price": "67123.50"}

        def waited() -> None:
            self._note("trades", self._feed.record_trade(trade)["id"])

        def batch() -> None:
            for row in self._feed.record_trades([trade] * 20):
                self._note("trades", row["id"])

        def alert() -> None:
            self._note("alerts", self._feed.raise_alert({"title": "drawdown"})["id"])

        def signal() -> None:
            row = self._feed.record_signal("m1", {"symbol": "BTC", "direction": "buy"})
            self._note("signals", row["id"])

        def snapshot() -> None:
            self._feed.update_portfolio({"total_value": self.sent["snapshots"], "cash": 0})
            self._note("snapshots")

        def handed_over() -> None:
            self._note("trades", times=self._feed.record_trade(trade, wait=False))
            point = {"metric_type": "risk", "name": "var", "value": self.sent["points"]}
            self._note("points", times=self._feed.record_metrics(point, wait=False))
            sample = {"component": "host", "status": "healthy"}
            self._note("samples", times=self._feed.report_system(sample, wait=False))
            self._end.wait(0.01)

        return [waited, waited, batch, alert, signal, snapshot, handed_over]

    def _note(self, kind: str, id_: str | None = None, times: int = 1) -> None:
        with self._lock:
            self.sent[kind] += times
            if id_ is not None:
                assert id_ not in self.answered
                self.answered.add(id_)

    def _run(self, work: Callable[[], None]) -> None:
        try:
            while not self._end.is_set():
                work()
        except BaseException as error:
            self.errors.append(error)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()


def killed_under_load(dashboard: ProcessDashboard, path: Path, kills: int) -> None:
    """Kill the dashboard's process so often while a host feeds it; then hold the store to it."""
    chance = random.Random()
    with dashboard as feed:
        with Load(feed) as load:
            for n in range(kills):
                stores_more(feed)
                time.sleep(chance.uniform(0, 0.2))
                os.kill(process_of(dashboard), signal.SIGKILL)
                started_again(feed, n + 1)
        settled(feed)
        assert not load.errors, load.errors
        assert feed.stats().refused == 0
        assert feed.stats().restarts == kills
    there = stored(path)
    # Every call was answered, or its records were taken: each is there, and once.
    assert there == load.sent
    with contextlib.closing(sqlite3.connect(path)) as connection:
        ids = {
            id_
            for table in ("trades", "alerts", "signals")
            for (id_,) in connection.execute(f"SELECT id FROM {table}")
        }
    assert load.answered - ids == set()
