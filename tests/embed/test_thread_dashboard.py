"""A dashboard in a thread: its life, and what its host sees when it cannot start."""

from __future__ import annotations

import gc
import pickle
import socket
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.domain.errors import (
    DashboardClosed,
    StartupError,
)
from tests.threads import (
    TRADE,
    run_host,
    stored_trades,
)

pytestmark = pytest.mark.usefixtures("no_thread_stays")

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
