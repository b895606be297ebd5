"""A dashboard in a thread: what its calls become when it closes, blocks or is interrupted."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.domain.errors import (
    DashboardClosed,
    DashboardFailed,
    Unavailable,
)
from alphapulse_api.record.feed import Feed
from tests.threads import (
    TRADE,
    Blocker,
    join_dashboards,
    stored_trades,
)
from tests.waiting import SECONDS

pytestmark = pytest.mark.usefixtures("no_thread_stays")


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
