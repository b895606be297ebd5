"""Old figures do not look live: silent hosts, lost servers, machines that slept, zoomed charts."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alphapulse_api.client import SyncDashboardClient
from alphapulse_api.config import PortfolioConfig
from alphapulse_api.domain.times import now
from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.asking import PORTFOLIO, TRADE
from tests.browser.panels import PANELS
from tests.browser.servers import Process, started
from tests.commands import run
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.browser.conftest import Opener
    from tests.browser.page import Page

STALE_AFTER = 2.0
KNOWN_SECONDS = 3.0  # from when the page can know of a fault to when nothing looks live
PING_SECONDS = 12.0  # a ping, and its answer
SHOWN_PANELS = "section:not([hidden])"
LIVE_PANELS = f"{SHOWN_PANELS}:not([data-stale])"


def watched(desk: ThreadFeed, open_console: Opener) -> Page:
    """The console, live."""
    page = open_console(desk.url)
    page.login("vera", PASSWORD)
    page.until_live()
    return page


@contextmanager
def served(folder: Path, open_console: Opener) -> Iterator[tuple[Process, Page]]:
    """A server in a process of its own, and the console of it, live."""
    assert run(folder, "user", "add", "vera", "--password-stdin", stdin=PASSWORD).returncode == 0
    key = run(folder, "api-key", "create", "bot", "--scope", "publish").stdout.strip()
    open_console.forgive("net::ERR_", "WebSocket connection to")
    with started(folder, "serve --port 0", "serving") as (process, said):
        found = re.search(r"serving (http://\S+)", said)
        assert found
        with SyncDashboardClient(found[1], api_key=key) as client:
            client.update_portfolio(PORTFOLIO)
        page = open_console(found[1])
        page.login("vera", PASSWORD)
        page.until_live()
        page.until(lambda: all_live(page), "live panels")
        yield process, page
        open_console.leave()


def all_live(page: Page) -> bool:
    """Whether every panel that is shown looks live."""
    return page.count(LIVE_PANELS) == page.count(SHOWN_PANELS) >= len(PANELS)


def looks_dead(page: Page) -> bool:
    """Whether banner, panels, headline, title and icon say that the page is not live."""
    return bool(
        page.count("#lost:not([hidden])")
        and "Not live since" in page.text("#lost")
        and not page.count(LIVE_PANELS)
        and page.count("#headline[data-stale]")
        and marked(page)
    )


def marked(page: Page) -> bool:
    """Whether title and icon of the tab say so."""
    icon = page.script("return document.querySelector('link[rel=icon]').href")
    return page.driver.title.startswith("⚠ stale") and str(icon).startswith("data:image/svg+xml")


@pytest.mark.parametrize(
    "desk", [{"portfolio": PortfolioConfig(stale_after=STALE_AFTER)}], indirect=True
)
def test_a_portfolio_grows_stale_without_a_message(desk: ThreadFeed, open_console: Opener) -> None:
    page = watched(desk, open_console)
    page.until(lambda: page.requests("/api/portfolios"), "the limit")
    desk.update_portfolio(PORTFOLIO)
    page.until(
        lambda: page.count("#panel-portfolio[data-stale]"), "it", STALE_AFTER + KNOWN_SECONDS
    )
    assert page.count("#headline[data-stale='no new portfolio']")
    assert "stale for" in page.text("#stale:not([hidden])")
    assert "not live since" in page.text("#panel-portfolio .age")
    assert marked(page)
    assert page.count("#lost[hidden]"), "the connection is there"
    assert page.count("#panel-trades:not([data-stale])")
    desk.update_portfolio(PORTFOLIO)
    page.until(lambda: page.count("#headline:not([data-stale])"), "the new one", KNOWN_SECONDS)
    assert page.driver.title == "AlphaPulse"


def test_a_component_that_falls_silent_makes_the_headline_doubtful(
    desk: ThreadFeed, open_console: Opener
) -> None:
    for seconds in (100, 95, 90):
        at = now() - timedelta(seconds=seconds)
        desk.report_system({"component": "feed", "status": "healthy", "timestamp": at})
        off = {"component": "gone", "status": "offline"}
        desk.report_system({**off, "timestamp": at})
    page = watched(desk, open_console)
    page.until(lambda: page.count("#headline[data-stale='feed is silent']"), "the silence")
    assert "silent" in page.text("#components tr[data-id=feed]")
    assert "silent" not in page.text("#components tr[data-id=gone]")
    assert marked(page)
    assert page.count("#panel-system:not([data-stale])"), "the others are heard"
    desk.report_system({"component": "feed", "status": "healthy"})
    page.until(lambda: page.count("#headline:not([data-stale])"), "it to be heard again")


def test_a_panel_that_cannot_be_read_is_not_live(desk: ThreadFeed, open_console: Opener) -> None:
    desk.record_trade({**TRADE, "id": "t1"})
    page = watched(desk, open_console)
    page.until(lambda: "newest" in page.text("#panel-trades .age"), "its age")
    page.script(
        "const real = window.fetch; window.fetch = (...given) =>"
        " String(given[0]).includes('api/trades') ? Promise.reject(new Error()) : real(...given);"
        "document.querySelector('#trade-filters [name=side]').dispatchEvent("
        "  new Event('change', {bubbles: true}))"
    )
    page.until(lambda: page.count("#panel-trades[data-stale]"), "the refusal", KNOWN_SECONDS)
    assert "cannot be read" in page.text("#panel-trades .age")


def test_a_killed_server_leaves_no_panel_that_looks_live(
    tmp_path: Path, open_console: Opener
) -> None:
    with served(tmp_path, open_console) as (process, page):
        process.kill()
        process.wait()
        page.until(lambda: looks_dead(page), "the loss", KNOWN_SECONDS)


def test_a_stopped_server_leaves_no_panel_that_looks_live(
    tmp_path: Path, open_console: Opener
) -> None:
    with served(tmp_path, open_console) as (process, page):
        process.send_signal(signal.SIGSTOP)
        page.until(lambda: looks_dead(page), "the silence", PING_SECONDS + KNOWN_SECONDS)
        process.send_signal(signal.SIGCONT)
        page.until(lambda: page.count("#lost[hidden]"), "the connection")
        page.until(lambda: all_live(page), "live panels")
        assert page.driver.title == "AlphaPulse"


def test_a_machine_that_slept_takes_nothing_for_live_before_the_server_answers(
    tmp_path: Path, open_console: Opener
) -> None:
    with served(tmp_path, open_console) as (process, page):
        process.send_signal(signal.SIGSTOP)
        # What a page sees after a sleep: its clock has jumped.
        page.script("const real = Date.now; Date.now = () => real() + 3_600_000;")
        page.until(lambda: looks_dead(page), "the doubt", KNOWN_SECONDS)
        process.send_signal(signal.SIGCONT)
        page.until(lambda: page.count("#headline:not([data-stale])"), "the server's time")


def test_a_frozen_page_sees_at_once_what_it_missed(tmp_path: Path, open_console: Opener) -> None:
    with served(tmp_path, open_console) as (process, page):
        page.freeze()
        process.kill()
        process.wait()
        page.thaw()
        page.until(lambda: looks_dead(page), "the loss", KNOWN_SECONDS)


def test_a_zoomed_chart_says_so_and_goes_back_to_live(
    desk: ThreadFeed, open_console: Opener
) -> None:
    start = now() - timedelta(minutes=5)
    for second in range(60):
        at = start + timedelta(seconds=second)
        desk.record_metrics(
            [{"metric_type": "risk", "name": "var", "value": second, "timestamp": at}]
        )
        desk.update_portfolio({**PORTFOLIO, "as_of": at})
        desk.record_trade({**TRADE, "id": f"t{second}", "executed_at": at})
    page = watched(desk, open_console)
    for chart in ("#equity-chart", "#metrics-chart", "#trades-chart"):
        page.look_at(chart)
        page.until(lambda it=chart: page.count(f"{it} .nsewdrag"), "the chart")
        panel = f"section:has({chart})"
        assert page.count(f"{panel} .zoomed[hidden]")
        page.drag(f"{chart} .nsewdrag", 120)
        page.until(lambda it=panel: page.count(f"{it} .zoomed:not([hidden])"), "the note")
        assert "Live data continues" in page.text(f"{panel} .zoomed")
        page.press(f"{panel} button[name=live]")
        page.until(lambda it=panel: page.count(f"{it} .zoomed[hidden]"), "the way back")
