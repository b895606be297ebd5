"""The life of a dashboard in a process: bounds, signals, forks, and the end of its host."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import pickle
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.domain.errors import (
    DashboardClosed,
    DashboardForked,
    Unavailable,
)
from alphapulse_api.embed.process_dashboard import ProcessDashboard, ProcessFeed
from tests.asking import TRADE
from tests.embedding import (
    SECONDS,
    lives,
    process_of,
    settled,
    stopped,
    until,
)


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
