"""Alerts from records of `logging`: what they say, their bounds, and that nothing comes back."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.adapters.log_alerts import AlertHandler, fingerprint_of
from alphapulse_api.embed.feed import HostFeed
from tests.adapters.hosts import EVERY_HOST
from tests.adapters.viewer import Viewer
from tests.conftest import Serve
from tests.documented import LINES
from tests.waiting import until


class Clock:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """A logger whose handlers are removed afterwards, and that has no parent."""
    log = logging.Logger("bot.orders")
    yield log
    for handler in tuple(log.handlers):
        handler.close()


def _seen(feed: HostFeed, viewer: Viewer) -> list[dict[str, Any]]:
    """The alerts, oldest first. A call that waits is stored after those that did not."""
    feed.raise_alert({"title": "last"})
    *alerts, last = reversed(viewer.alerts())
    assert last["title"] == "last"
    return alerts


def _fail() -> None:
    raise ValueError("no price")


@EVERY_HOST
def test_a_record_raises_an_alert(feed: HostFeed, viewer: Viewer, log: logging.Logger) -> None:
    handler = AlertHandler(feed)
    log.addHandler(handler)
    log.info("nothing to see")
    log.warning("order %s is late by %d s\nsecond line", "a1", 3)
    try:
        _fail()
    except ValueError:
        log.exception("order %s failed", "a2")
    log.critical("nul \x00 and half a pair \ud800")
    late, failed, odd = _seen(feed, viewer)
    assert (late["title"], late["severity"]) == ("order a1 is late by 3 s", "warning")
    assert late["message"].endswith("\nsecond line")
    assert late["source"] == "bot.orders"
    assert late["metadata"]["function"] == "test_a_record_raises_an_alert"
    assert late["metadata"]["thread"] == "MainThread"
    assert (failed["severity"], failed["metadata"]["exception"]) == (
        "error", "ValueError: no price",
    )  # fmt: skip
    assert "Traceback" in failed["message"]
    assert (odd["severity"], odd["title"]) == ("critical", "nul � and half a pair ?")
    assert late["rule_id"] != failed["rule_id"]
    assert (handler.raised, handler.suppressed, handler.failed) == (3, 0, 0)


@EVERY_HOST
def test_alerts_are_bounded(feed: HostFeed, viewer: Viewer, log: logging.Logger) -> None:
    clock = Clock()
    handler = AlertHandler(feed, interval=60, most=2, clock=clock)
    log.addHandler(handler)
    for n in range(5):
        log.error("order %d failed", n)
    log.error("another")
    log.error("one too many")
    clock.seconds += 60
    log.error("order %d failed", 6)
    alerts = _seen(feed, viewer)
    assert [alert["title"] for alert in alerts] == ["order 0 failed", "another", "order 6 failed"]
    assert [alert["metadata"].get("kept_back") for alert in alerts] == [None, None, 4]
    assert alerts[0]["rule_id"] == alerts[2]["rule_id"]
    assert (handler.raised, handler.suppressed) == (3, 5)


def test_of_texts_that_are_formatted_first_the_last_thousand_are_remembered(
    feed: HostFeed, log: logging.Logger
) -> None:
    handler = AlertHandler(feed, most=2000, clock=Clock())
    log.addHandler(handler)
    for n in range(1001):
        log.error(f"order {n} failed")
    log.error("order 1 failed")
    assert (handler.raised, handler.suppressed) == (1001, 1)
    log.error("order 0 failed")
    assert (handler.raised, handler.suppressed) == (1002, 1)


def test_the_documented_line(feed: HostFeed, viewer: Viewer, log: logging.Logger) -> None:
    exec(LINES["records of logging"], {"log": log, "feed": feed, "AlertHandler": AlertHandler})
    log.warning("documented")
    assert [alert["title"] for alert in _seen(feed, viewer)] == ["documented"]


@EVERY_HOST
def test_the_dashboards_own_records_raise_nothing(feed: HostFeed, viewer: Viewer) -> None:
    handler = AlertHandler(feed, logging.DEBUG)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        for name in ("alphapulse_api", "alphapulse_api.record.relay"):
            logging.getLogger(name).error("a fault of the dashboard")
        logging.getLogger("alphapulse_apis").error("somebody else")
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    titles = [alert["title"] for alert in _seen(feed, viewer) if alert["severity"] == "error"]
    assert titles == ["somebody else"]


def test_what_raising_an_alert_logs_raises_no_other(
    feed: HostFeed, viewer: Viewer, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    raise_alert = feed.raise_alert

    def noisy(alert: Any, **kwargs: Any) -> Any:
        log.error("while it is raised")
        return raise_alert(alert, **kwargs)

    monkeypatch.setattr(feed, "raise_alert", noisy)
    log.addHandler(AlertHandler(feed))
    log.error("first")
    monkeypatch.undo()
    assert [alert["title"] for alert in _seen(feed, viewer)] == ["first"]


def test_records_may_come_from_many_threads(
    feed: HostFeed, viewer: Viewer, log: logging.Logger
) -> None:
    handler = AlertHandler(feed, most=1000)
    log.addHandler(handler)
    threads = [threading.Thread(target=log.error, args=(f"thread {n}",)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {alert["title"] for alert in _seen(feed, viewer)} == {f"thread {n}" for n in range(20)}


@pytest.mark.parametrize("kind", ["in_process", "in_thread"])
def test_after_the_dashboard_records_are_counted_and_nothing_is_raised(
    config: Config, log: logging.Logger, kind: str
) -> None:
    with getattr(Dashboard, kind)(config) as feed:
        handler = AlertHandler(feed)
        log.addHandler(handler)
    log.error("too late")
    assert (handler.raised, handler.failed) == (0, 1)
    handler.close()
    log.error("later still")
    assert handler.failed == 1


def test_a_bad_format_is_reported_as_by_any_handler(
    feed: HostFeed, log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = AlertHandler(feed)
    log.addHandler(handler)
    log.error("%d", "text")
    assert handler.raised == 0
    assert "Logging error" in capsys.readouterr().err


async def test_in_the_hosts_own_loop(serve: Serve, log: logging.Logger) -> None:
    server = await serve()
    handler = AlertHandler(server.feed)
    log.addHandler(handler)
    log.error("from the loop")
    await asyncio.to_thread(log.error, "from a thread")
    await until(lambda: handler.raised == 2)
    reader = await server.key()
    titles = {alert["title"] for alert in await server.json("/api/alerts", reader)}
    assert titles == {"from the loop", "from a thread"}
    await server.dashboard.__aexit__(None, None, None)
    log.error("too late %s", "")
    await until(lambda: handler.failed == 1)
    await server.dashboard.__aenter__()


def _in_a_child(handler: AlertHandler, answers: Any) -> None:
    record = logging.LogRecord("bot", logging.ERROR, "", 1, "in a child", (), None)
    handler.handle(record)
    answers.put((handler.raised, handler.failed))


def test_a_forked_process_goes_on(feed: HostFeed) -> None:
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=_in_a_child, args=(AlertHandler(feed), answers))
    child.start()
    assert answers.get() == (0, 1)
    child.join()


def test_fingerprints_are_of_logger_and_format() -> None:
    def fingerprint(name: str, msg: object, *args: object) -> str:
        return fingerprint_of(logging.LogRecord(name, logging.ERROR, "", 1, msg, args, None))

    assert fingerprint("a", "x %s", 1) == fingerprint("a", "x %s", 2)
    assert fingerprint("a", "x") != fingerprint("b", "x")
    assert fingerprint("a", "x") != fingerprint("a", "y")
    assert len(fingerprint("a", "\ud800")) == 16
