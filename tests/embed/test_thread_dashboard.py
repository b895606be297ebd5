"""A dashboard in a thread: its life, and what its host sees when something goes wrong."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.request import urlopen

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig
from alphapulse_api.domain.errors import (
    DashboardClosed,
    DashboardFailed,
    StartupError,
    Unavailable,
)
from alphapulse_api.embed.thread_dashboard import ThreadFeed
from alphapulse_api.record.feed import Feed
from tests.waiting import SECONDS

TRADE = {"symbol": "BTC-USD", "side": "buy", "quantity": 1, "price": 10}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(port=0, database=DatabaseConfig(url=f"sqlite:///{tmp_path}/store.db"))


@pytest.fixture(autouse=True)
def nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No thread of a dashboard stays, and none ends with a traceback."""
    crashed: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", crashed.append)
    yield
    assert [t.name for t in threading.enumerate() if t.name.startswith("alphapulse")] == []
    assert crashed == []


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


# Its life


def test_a_feed_lives_on_when_the_host_keeps_nothing_else(config: Config) -> None:
    dashboard = Dashboard.in_thread(config, serve=False)
    feed = dashboard.__enter__()
    close = dashboard.close
    del dashboard
    gc.collect()
    assert feed.record_trade(TRADE)["id"]
    close()


def test_it_starts_and_closes_without_a_with_block(config: Config) -> None:
    dashboard = Dashboard.in_thread(config)
    with pytest.raises(DashboardClosed):
        _ = dashboard.feed
    for _ in range(2):
        feed = dashboard.start()
        assert dashboard.feed is feed
        assert urlopen(f"{feed.url}/healthz").status == 200
        feed.record_trade(TRADE)
        dashboard.close()
        dashboard.close()
        with pytest.raises(DashboardClosed):
            feed.record_trade(TRADE)
    assert stored_trades(config) == 2


def test_what_waits_is_stored_when_the_interpreter_exits(config: Config) -> None:
    host = run_host(
        config,
        """
        feed = Dashboard.in_thread(config).start()
        feed.record_trade(TRADE)
        points = [{"metric_type": "risk", "name": f"v{n}", "value": n} for n in range(1000)]
        feed.record_metrics(points, wait=False)
        """,
    )
    assert (host.returncode, host.stdout, host.stderr) == (0, "", "")
    path = config.database.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT count(*) FROM metric_points").fetchone() == (1000,)
    assert not Path(f"{path}-wal").exists()


def test_threads_of_the_host_feed_on_after_its_main_thread_has_ended(config: Config) -> None:
    host = run_host(
        config,
        """
        import threading
        from urllib.request import urlopen

        feed = Dashboard.in_thread(config).start()

        def trade():
            threading.main_thread().join()
            feed.record_trade({**TRADE, "id": "t1"})
            feed.record_trade({**TRADE, "id": "t1"})  # a repeat is read and compared
            alert = feed.raise_alert({"title": "x"})
            feed.resolve_alert(alert["id"])
            print(urlopen(f"{feed.url}/readyz").status)

        threading.Thread(target=trade).start()
        """,
    )
    assert (host.returncode, host.stdout, host.stderr) == (0, "200\n", "")
    assert stored_trades(config) == 1


def test_starting_twice_is_a_clear_error(config: Config) -> None:
    dashboard = Dashboard.in_thread(config, serve=False)
    with dashboard as feed:
        with pytest.raises(RuntimeError, match="dashboard is started already"):
            dashboard.start()
        with pytest.raises(RuntimeError, match="dashboard is started already"), dashboard:
            pass
        assert feed.record_trade(TRADE)["id"]


async def test_entering_a_dashboard_twice_in_a_loop_is_a_clear_error(config: Config) -> None:
    dashboard = Dashboard(config, serve=False)
    async with dashboard:
        with pytest.raises(RuntimeError, match="dashboard is started already"):
            async with dashboard:
                pass
        assert (await dashboard.feed.record_trade(TRADE))["id"]


def test_pickling_says_what_to_send_instead(config: Config) -> None:
    dashboard, in_loop = Dashboard.in_thread(config, serve=False), Dashboard(config)
    with dashboard as feed:
        for thing in (feed, dashboard, in_loop.feed, in_loop):
            with pytest.raises(TypeError, match=r"url.*alphapulse_api\.client"):
                pickle.dumps(thing)


def test_a_failed_start_raises_in_the_host_and_leaves_no_thread(
    config: Config, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AP_ADMIN_PASSWORD", "correct horse battery")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = replace(config, port=listener.getsockname()[1])
        dashboard = Dashboard.in_thread(taken)
        with pytest.raises(StartupError, match=r"^cannot listen on .*") as caught:
            dashboard.start()
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""
    with pytest.raises(DashboardClosed):
        _ = dashboard.feed
    dashboard.close()


# Forks

FORKED = """
import threading, time
from urllib.request import urlopen
from alphapulse_api.domain.errors import DashboardForked

def check(name, call):
    try:
        call()
    except DashboardForked as error:
        assert "'spawn'" in str(error) and "alphapulse_api.client" in str(error), error
    else:
        raise AssertionError(name)
"""


def test_in_a_forked_child_every_call_fails_at_once_and_the_port_is_free(config: Config) -> None:
    host = run_host(
        config,
        FORKED
        + textwrap.dedent("""
        import socket
        from urllib.parse import urlsplit

        with Dashboard.in_thread(config) as feed:
            url = feed.url
            parent, child = os.pipe(), os.pipe()
            # A connection that is open at the fork must not stay open in the child.
            client = socket.create_connection((urlsplit(url).hostname, urlsplit(url).port))
            client.sendall(b"GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
            assert client.recv(12) == b"HTTP/1.1 200"
            pid = os.fork()
            if pid == 0:
                client.close()
                point = {"metric_type": "risk", "name": "var", "value": 1}
                check("trade", lambda: feed.record_trade(TRADE))
                check("points", lambda: feed.record_metrics(point, wait=False))
                check("health", feed.health)
                os.write(child[1], b"1")
                os.read(parent[0], 1)  # until the parent has looked at the port
            else:
                assert os.read(child[0], 1) == b"1"
                assert feed.record_trade(TRADE)["id"]  # the parent is not disturbed
                assert urlopen(f"{url}/healthz").status == 200
        if pid:
            client.settimeout(10)
            while client.recv(4096):  # ends, although the child lives
                pass
            client.close()
            with socket.socket() as probe:
                assert probe.connect_ex((urlsplit(url).hostname, urlsplit(url).port)) != 0
            os.write(parent[1], b"1")
            assert os.waitpid(pid, 0)[1] == 0
        """),
    )
    assert (host.returncode, host.stdout, host.stderr) == (0, "", "")
    assert stored_trades(config) == 1


def test_in_a_child_forked_from_a_loop_every_call_fails_at_once(config: Config) -> None:
    host = run_host(
        config,
        FORKED
        + textwrap.dedent("""
        import asyncio, socket
        from urllib.parse import urlsplit

        async def main():
            async with Dashboard(config) as dashboard:
                point = {"metric_type": "risk", "name": "var", "value": 1}
                pid = os.fork()
                if pid == 0:
                    status = 1
                    try:
                        check("points", lambda: dashboard.feed.hand_over(point))
                        status = 0
                    finally:
                        os._exit(status)
                _, status = await asyncio.to_thread(os.waitpid, pid, 0)
                assert status == 0
                assert (await dashboard.feed.record_trade(TRADE))["id"]

        asyncio.run(main())
        """),
    )
    assert (host.returncode, host.stdout, host.stderr) == (0, "", "")


def test_a_dashboard_that_closes_completes_what_is_under_way_and_takes_nothing_more(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way, complete = threading.Event(), threading.Event()

    async def wait(feed: Feed, alert_id: str) -> dict[str, Any]:
        under_way.set()
        await asyncio.to_thread(complete.wait)
        return {"id": alert_id}

    monkeypatch.setattr(Feed, "resolve_alert", wait)
    dashboard = Dashboard.in_thread(config, serve=False, timeout=4 * SECONDS)
    feed = dashboard.start()
    with ThreadPoolExecutor() as threads:
        resolved = threads.submit(feed.resolve_alert, "a")
        assert under_way.wait(SECONDS)
        closed = threads.submit(dashboard.close)

        def call_until_refused() -> None:
            end = monotonic() + SECONDS
            while monotonic() < end:
                feed.record_trade(TRADE)

        try:
            with pytest.raises(DashboardClosed):
                call_until_refused()
            assert not resolved.done()
        finally:
            complete.set()
        assert resolved.result(SECONDS) == {"id": "a"}
        closed.result(SECONDS)


# A loop that blocks or ends


def test_calls_end_within_their_timeout_while_the_loop_is_blocked(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocker = Blocker(monkeypatch)
    with Dashboard.in_thread(config, serve=False, timeout=0.5) as feed:
        assert feed.health() == {"loop": "ok", "database": "ok"}
        blocker.start(feed)
        with pytest.raises(Unavailable) as caught:
            feed.record_trade({**TRADE, "id": "t1"})
        assert "has not answered within 0.5 s" in caught.value.detail
        assert feed.health(timeout=0.1) == {"loop": "down"}
        blocker.end()
        feed.record_trade({**TRADE, "id": "t1"})  # as the message says
    assert stored_trades(config) == 1


def test_closing_ends_within_its_timeout_while_the_loop_is_blocked(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocker = Blocker(monkeypatch)
    dashboard = Dashboard.in_thread(config, serve=False, timeout=0.5)
    blocker.start(dashboard.start())
    with pytest.raises(Unavailable) as caught:
        dashboard.close()
    assert "has not ended within 0.5 s" in caught.value.detail
    blocker.end()
    join_dashboards()


def test_calls_fail_clearly_once_the_loop_has_ended(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way = threading.Event()
    ended: list[BaseException] = []

    async def wait_for_ever(feed: Feed, alert_id: str) -> dict[str, Any]:
        under_way.set()
        return await asyncio.get_running_loop().create_future()

    async def stop_the_loop(feed: Feed, agent_id: str, update: object) -> dict[str, Any]:
        asyncio.get_running_loop().stop()
        return {}

    monkeypatch.setattr(Feed, "resolve_alert", wait_for_ever)
    monkeypatch.setattr(Feed, "update_agent", stop_the_loop)
    dashboard = Dashboard.in_thread(config, serve=False)
    feed = dashboard.start()

    def call() -> None:
        try:
            feed.resolve_alert("a")
        except DashboardClosed as error:
            ended.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    assert under_way.wait(10)
    try:
        feed.update_agent("m1", {})
    except DashboardClosed as error:
        ended.append(error)
    caller.join(30)
    assert not caller.is_alive()
    assert ended
    join_dashboards()
    with pytest.raises(DashboardFailed, match=r"ended unexpectedly .*start it again"):
        feed.record_trade(TRADE)
    with pytest.raises(DashboardFailed):
        feed.record_metrics([{"metric_type": "risk", "name": "var", "value": 1}], wait=False)
    assert feed.health() == {"loop": "down"}
    with pytest.raises(DashboardFailed):
        dashboard.close()
    monkeypatch.undo()
    with dashboard as again:
        assert again.record_trade(TRADE)["id"]


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, also where a shell in the background had it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_an_interrupted_call_leaves_the_dashboard_usable(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Feed.record_trade
    go_on = threading.Event()

    async def interrupted(feed: Feed, trade: Any, **_: Any) -> dict[str, Any]:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        await asyncio.to_thread(go_on.wait)
        return await real(feed, trade)

    with Dashboard.in_thread(config, serve=False) as feed:
        with monkeypatch.context() as patched:
            patched.setattr(Feed, "record_trade", interrupted)
            with pytest.raises(KeyboardInterrupt):
                feed.record_trade({**TRADE, "id": "t1"})
        assert feed.record_trade({**TRADE, "id": "t2"})["id"] == "t2"
        go_on.set()
    assert stored_trades(config) == 2  # the interrupted call was completed
