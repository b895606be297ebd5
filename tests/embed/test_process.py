"""A dashboard in a process of its own: the same feed, whatever happens to either side."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import pickle
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig
from alphapulse_api.domain.errors import (
    ConfigError,
    Conflict,
    DashboardClosed,
    DashboardForked,
    NotFound,
    StartupError,
    Unavailable,
    ValidationProblem,
)
from alphapulse_api.embed.process_dashboard import ProcessDashboard, ProcessFeed
from tests.asking import TRADE
from tests.embedding import (
    CALLS,
    SECONDS,
    lives,
    process_of,
    settled,
    started_again,
    stopped,
    until,
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessDashboard]:
    """A dashboard for tests that leave it as it was, but for records."""
    path = tmp_path_factory.mktemp("process") / "test.db"
    config = Config(port=0, database=DatabaseConfig(url=f"sqlite:///{path}"))
    dashboard = Dashboard.in_process(config, first_user=False)
    with dashboard:
        yield dashboard


@pytest.fixture
def feed(running: ProcessDashboard) -> ProcessFeed:
    settled(running.feed)
    return running.feed


@pytest.mark.parametrize("name", list(CALLS))
def test_every_call_answers_as_in_a_thread(feed: ProcessFeed, config: Config, name: str) -> None:
    before = feed.stats()
    answer = CALLS[name](feed)
    with Dashboard.in_thread(config, serve=False) as other:
        expected = CALLS[name](other)
    assert shape(answer) == shape(expected)
    after = feed.stats()
    counts = {
        "record_metrics of many": 3,
        "record_metrics_batch": 3,
        "acknowledge_alert": 2,
        "resolve_alert": 2,
    }
    count = counts.get(name, 1)
    assert after.stored - before.stored == after.taken - before.taken == count


def shape(value: Any) -> Any:
    """A result without what differs from one call to the next."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value) if isinstance(value, (str, datetime)) else value


def test_values_survive_the_way(feed: ProcessFeed) -> None:
    at = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
    stored = feed.record_trade(
        {
            "symbol": "BTC",
            "side": "buy",
            "quantity": Decimal("0.10"),
            "price": "67123.50",
            "executed_at": at,
            "metadata": {"order": 10**40, "nested": [{"a": None}]},
        }
    )
    assert str(stored["quantity"]) == "0.10"
    assert stored["executed_at"] == at
    assert stored["metadata"] == {"order": 10**40, "nested": [{"a": None}]}


def test_errors_keep_their_class_and_text(feed: ProcessFeed) -> None:
    with pytest.raises(ValidationProblem, match="/side: Must be one of: buy, sell") as refused:
        feed.record_trade({**TRADE, "side": "up"})
    assert refused.value.errors == [{"pointer": "/side", "detail": "Must be one of: buy, sell."}]
    feed.record_trade({**TRADE, "id": "same"})
    with pytest.raises(Conflict, match="'same' exists already, with another symbol"):
        feed.record_trade({**TRADE, "id": "same", "symbol": "ETH"})
    with pytest.raises(NotFound, match="nothing"):
        feed.resolve_alert("nothing")
    with pytest.raises(ValidationProblem, match="Not a list of records"):
        feed.record_trades({})  # type: ignore[arg-type]
    with pytest.raises(ValidationProblem, match="At most 10000 records"):
        feed.record_trades([TRADE] * 10_001, wait=False)


def test_it_serves_what_it_was_fed(config: Config) -> None:
    from tests.embed.test_mounting import trade_ids

    with Dashboard.in_process(config) as feed:
        first = feed.record_trade(TRADE)["id"]
        assert asyncio.run(trade_ids(feed.url)) == {first}
        assert feed.console_url == f"{feed.url}/console/"
        assert feed.stats().state == "running"
    assert feed.stats().state == "closed"
    with pytest.raises(DashboardClosed):
        feed.record_trade(TRADE)
    with pytest.raises(DashboardClosed):
        feed.record_trade(TRADE, wait=False)


def test_a_failed_start_is_the_dashboards_own_error(config: Config, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = replace(config, port=listener.getsockname()[1])
        with pytest.raises(StartupError, match=r"cannot listen on 127\.0\.0\.1 port"):
            Dashboard.in_process(taken).start()
    nowhere = DatabaseConfig(url=f"sqlite:///{tmp_path}/none/x.db")
    with pytest.raises((ConfigError, StartupError)) as refused:
        Dashboard.in_process(replace(config, database=nowhere)).start()
    assert "\n" not in str(refused.value)
    assert {t for t in threading.enumerate() if "alphapulse" in t.name} - before == set()


def test_a_process_that_dies_is_started_again_where_it_was(
    config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    dashboard = Dashboard.in_process(config, first_user=False)
    with dashboard as feed:
        url, first = feed.url, process_of(dashboard)
        feed.record_trade(TRADE)
        os.kill(first, signal.SIGKILL)
        started_again(feed, 1)
        assert feed.record_trade({**TRADE, "id": "after"}, timeout=SECONDS)["id"] == "after"
        assert process_of(dashboard) != first
        assert feed.url == url
        assert (feed.stats().restarts, feed.stats().state) == (1, "running")
    warnings = [r.message for r in caplog.records if r.levelno >= logging.WARNING]
    assert warnings == ["the dashboard's process has ended, with exit code -9"]


def test_the_host_can_ask_how_the_process_is(config: Config) -> None:
    dashboard = Dashboard.in_process(config, serve=False)
    with dashboard as feed:
        assert feed.health(SECONDS) == {"process": "ok", "database": "ok"}
        with stopped(process_of(dashboard)):
            assert feed.health(0.05) == {"process": "down"}
        assert feed.stats().taken == 0
    assert feed.health() == {"process": "down"}


def test_a_process_that_does_not_answer_costs_a_call_its_timeout(
    running: ProcessDashboard, feed: ProcessFeed
) -> None:
    late = r"has not answered record_trade within 0\.05 s"
    with stopped(process_of(running)), pytest.raises(Unavailable, match=late):
        feed.record_trade({**TRADE, "id": "late"}, timeout=0.05)
    assert feed.record_trade({**TRADE, "id": "late"})["id"] == "late"


@pytest.mark.parametrize("policy", ["raise", "drop"])
def test_beyond_the_bound_the_policy_holds(config: Config, policy: Any) -> None:
    dashboard = Dashboard.in_process(config, serve=False, on_unavailable=policy, max_depth=10)
    with dashboard as feed:
        with stopped(process_of(dashboard)):
            assert sum(feed.record_trade(TRADE, wait=False) for _ in range(10)) == 10
            for timeout in (None, 0.01):
                if policy == "raise":
                    with pytest.raises(Unavailable, match="at most 10 may"):
                        feed.record_trade(TRADE, wait=False, timeout=timeout)
                else:
                    assert feed.record_trade(TRADE, wait=False, timeout=timeout) == 0
            with pytest.raises(Unavailable, match="at most 10 may"):
                feed.record_trade(TRADE, timeout=0.01)
            assert feed.stats().depth == 10
        # With room again, one that waited for it goes on.
        assert feed.record_trade(TRADE, wait=False, timeout=SECONDS) == 1
        settled(feed)
        dropped = 2 if policy == "drop" else 0
        assert (feed.stats().stored, feed.stats().dropped) == (11, dropped)


def test_closing_a_process_that_hangs_is_bounded(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alphapulse_api.embed.link.CLOSE_SECONDS", 0.1)
    dashboard = Dashboard.in_process(replace(config, shutdown_timeout=0.1), serve=False)
    feed = dashboard.start()
    os.kill(process_of(dashboard), signal.SIGSTOP)
    answers: list[Exception] = []

    def call() -> None:
        try:
            feed.record_trade(TRADE)
        except DashboardClosed as error:
            answers.append(error)

    waiting = threading.Thread(target=call)
    waiting.start()
    until(lambda: feed.stats().depth)
    dashboard.close()
    waiting.join(SECONDS)
    assert len(answers) == 1
    assert feed.stats().refused == 1


def test_a_feed_alone_keeps_its_dashboard(config: Config) -> None:
    feed = Dashboard.in_process(config, serve=False).start()
    gc.collect()
    assert feed.record_trade(TRADE)["id"]
    feed.close()
    with pytest.raises(DashboardClosed):
        feed.record_trade(TRADE)


def test_started_twice_it_says_so_and_closed_twice_it_does_nothing(config: Config) -> None:
    dashboard = Dashboard.in_process(config, serve=False)
    with pytest.raises(DashboardClosed):
        _ = dashboard.feed
    with dashboard:
        with pytest.raises(RuntimeError, match="started already"), dashboard:
            pass
        assert dashboard.feed.record_trade(TRADE)
    dashboard.close()
    with dashboard as feed:  # and again, later
        assert feed.stats().taken == 0


def test_neither_it_nor_its_feed_can_be_pickled(
    running: ProcessDashboard, feed: ProcessFeed
) -> None:
    for one in (running, feed):
        with pytest.raises(TypeError, match=r"cannot be pickled: send .*url"):
            pickle.dumps(one)


def test_ctrl_c_in_a_call_leaves_it_usable(running: ProcessDashboard, feed: ProcessFeed) -> None:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    handler = signal.signal(signal.SIGINT, interrupt)
    main = threading.main_thread().ident or 0
    try:
        before = feed.stats().depth
        with stopped(process_of(running)):

            def press() -> None:
                until(lambda: feed.stats().depth > before)
                signal.pthread_kill(main, signal.SIGINT)

            pressing = threading.Thread(target=press)
            pressing.start()
            with pytest.raises(KeyboardInterrupt):
                feed.record_trade({**TRADE, "id": "interrupted"})
            pressing.join()
    finally:
        signal.signal(signal.SIGINT, handler)
    assert feed.record_trade({**TRADE, "id": "interrupted"})["id"] == "interrupted"


def test_signals_for_the_whole_service_do_not_end_the_process(
    running: ProcessDashboard, feed: ProcessFeed
) -> None:
    pid = process_of(running)
    assert os.getpgid(pid) != os.getpgid(0)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
        assert feed.record_trade(TRADE)["id"]
    assert process_of(running) == pid


def test_in_a_fork_every_call_fails_at_once(running: ProcessDashboard, feed: ProcessFeed) -> None:
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        said = []
        for call in (
            lambda: feed.record_trade(TRADE),
            lambda: feed.record_trade(TRADE, wait=False),
            lambda: running.feed,
            running.start,
        ):
            try:
                call()
                said.append("it went on")
            except DashboardForked as error:
                said.append(str(error))
        running.close()  # does nothing, and at once
        os.write(write, json.dumps(said).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = json.load(pipe)
    os.waitpid(pid, 0)
    assert len(said) == 4
    assert all("'spawn'" in text and "alphapulse_api.client" in text for text in said)
    assert feed.record_trade(TRADE)["id"]  # and the host's own goes on


HOST = """
import os, sys, time
from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig

dashboard = Dashboard.in_process(
    Config(port=0, database=DatabaseConfig(url=f"sqlite:///{sys.argv[1]}")), first_user=False)
feed = dashboard.start()
feed.record_trade({"symbol": "BTC", "side": "buy", "quantity": 1, "price": 1})
if sys.argv[2] == "fork" and not os.fork():
    time.sleep(60)
    os._exit(0)
print(dashboard.pid, feed.url.rpartition(":")[2], flush=True)
if sys.argv[2] == "ends":
    feed.record_trade({"symbol": "BTC", "side": "buy", "quantity": 1, "price": 1}, wait=False)
else:
    sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["killed", "fork", "ends", "interrupted"])
def test_the_process_ends_with_its_host(tmp_path: Path, how: str) -> None:
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, str(tmp_path / "x.db"), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert host.stdout is not None
    assert host.stderr is not None
    with host:
        pid, port = map(int, host.stdout.readline().split())
        if how in ("killed", "fork"):
            host.kill()
        elif how == "interrupted":
            os.killpg(host.pid, signal.SIGINT)
        until(lambda: not lives(pid))
        code = host.wait()
        assert code == {"ends": 0, "interrupted": -signal.SIGINT}.get(how, -signal.SIGKILL)
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", port))
        if how == "fork":
            os.killpg(host.pid, signal.SIGKILL)
        assert ("Traceback" in host.stderr.read()) == (how == "interrupted")
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM trades")
    assert count == (2 if how == "ends" else 1)
