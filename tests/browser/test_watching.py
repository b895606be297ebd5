"""A person who watches: signs in, sees every panel fill, live and after a restart."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alphapulse_api.client import SyncDashboardClient
from alphapulse_api.config import AuthConfig
from alphapulse_api.domain.times import now
from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.asking import PORTFOLIO, TRADE
from tests.browser.pictures import take_pictures
from tests.browser.servers import started
from tests.commands import run
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.browser.conftest import Opener

FIRST_DATA_SECONDS = 2.0


def test_the_demo_fills_every_panel(tmp_path: Path, open_console: Opener) -> None:
    pictures = os.environ.get("AP_PICTURES")
    speed = 10 if pictures is None else 8
    with started(tmp_path, f"demo --port 0 --speed {speed}", "Ctrl-C") as (_, screen):
        url = re.search(r"Console +(\S+)/console/\n", screen)
        login = re.search(r"Login +(\S+) / (\S+)", screen)
        assert url
        assert login
        page = open_console(url[1])
        page.login(login[1], login[2])
        page.until_live()
        page.until_filled()
        assert re.search(r"prices.* (2009|2010)-\d\d-\d\d, pass 1, forwards", page.text("#replay"))
        traces = "return document.querySelector('#equity-chart').data[0].x.length"
        assert page.script(traces) >= 250, "two years are there from the start"
        first = page.ids("#trades tbody tr")
        page.until(lambda: set(page.ids("#trades tbody tr")) - set(first), "another trade")
        if pictures is not None:
            take_pictures(page, Path(pictures))
        open_console.leave()


def test_something_is_seen_within_two_seconds_of_the_login(
    desk: ThreadFeed, open_console: Opener
) -> None:
    desk.record_trade({**TRADE, "id": "t1"})
    desk.raise_alert({"id": "a1", "title": "Drawdown"})
    page = open_console(desk.url)
    page.try_login("vera", PASSWORD)
    page.until(lambda: page.ids("#trades tbody tr") == ["t1"], "the trade", FIRST_DATA_SECONDS)
    page.until(lambda: page.ids("#alerts li") == ["a1"], "the alert")
    page.until_live()
    desk.record_trade({**TRADE, "id": "t2", "symbol": "IBM"})
    page.until(lambda: page.ids("#trades tbody tr") == ["t2", "t1"], "the next trade, on top")


def test_a_wrong_password_is_reported_and_another_one_may_be_tried(
    desk: ThreadFeed, open_console: Opener
) -> None:
    open_console.forgive("/token/session - Failed to load resource")
    page = open_console(desk.url)
    page.try_login("vera", "wrong")
    page.until(lambda: page.text("#login-error").strip(), "what was wrong")
    assert page.count("dialog[open] #login")
    page.login("vera", PASSWORD)
    page.until_live()
    assert "vera" in page.text("#user")


def test_a_reload_and_a_second_tab_stay_signed_in_until_one_signs_out(
    desk: ThreadFeed, open_console: Opener
) -> None:
    page = open_console(desk.url)
    page.login("vera", PASSWORD)
    page.until_live()
    assert page.script("return document.cookie") == "", "no script sees the token"
    page.driver.refresh()
    page.until_live()
    assert "vera" in page.text("#user")
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    try:
        page.driver.get(f"{desk.url}/console/")
        page.until_live()
        assert "vera" in page.text("#user")
        page.press("#sign-out")
        page.until(lambda: page.count("dialog[open] #login"), "the login form")
    finally:
        page.driver.close()
        page.driver.switch_to.window(first)
    open_console.forgive("401 (Unauthorized)", "WebSocket")
    page.until(lambda: page.count("dialog[open] #login"), "the other tab to be signed out, too")
    assert "has ended" in page.text("#login-reason")


@pytest.mark.parametrize("desk", [{"auth": AuthConfig(token_expiry=2)}], indirect=True)
def test_a_watcher_outlives_its_tokens(desk: ThreadFeed, open_console: Opener) -> None:
    page = open_console(desk.url)
    page.login("vera", PASSWORD)
    page.until_live()
    page.until(lambda: page.requests("/token/session") >= 4, "three tokens more")
    assert not page.count("dialog[open]")
    desk.record_trade({**TRADE, "id": "t1"})
    page.until(lambda: page.ids("#trades tbody tr") == ["t1"], "a trade after all that")
    page.until_live()


def test_the_figure_under_the_pointer_is_shown(desk: ThreadFeed, open_console: Opener) -> None:
    page = open_console(desk.url)
    page.login("vera", PASSWORD)
    page.until_live()
    moment = now()
    desk.record_metrics(
        [
            {"metric_type": "risk", "name": "var", "value": 0.125, "timestamp": moment - ago}
            for ago in (timedelta(seconds=5 * number) for number in range(120))
        ]
    )
    chart = "#metrics-chart .nsewdrag"
    page.look_at("#metrics-chart")
    page.until(lambda: page.count("#metrics-chart .scatterlayer .trace"), "the line")
    page.point_at(chart)
    page.until(lambda: "0.125" in page.text("#metrics-chart .hoverlayer"), "the value")


def test_a_killed_server_comes_back_and_no_row_is_there_twice(
    tmp_path: Path, open_console: Opener
) -> None:
    open_console.forgive("net::ERR_", "WebSocket connection to")
    assert run(tmp_path, "user", "add", "vera", "--password-stdin", stdin=PASSWORD).returncode == 0
    key = run(tmp_path, "api-key", "create", "bot", "--scope", "publish").stdout.strip()
    with started(tmp_path, "serve --port 0", "serving") as (process, said):
        found = re.search(r"serving (http://\S+:(\d+))", said)
        assert found
        url, port = found.groups()
        with SyncDashboardClient(url, api_key=key) as client:
            client.update_portfolio(PORTFOLIO)
        page = open_console(url)
        page.login("vera", PASSWORD)
        page.until_live()
        with SyncDashboardClient(url, api_key=key) as client:
            for number in range(5):
                client.record_trade({**TRADE, "id": f"before-{number}"})
        page.until(lambda: len(page.ids("#trades tbody tr")) == 5, "five trades")
        process.kill()
        process.wait()
        state = page.until(lambda: _away(page.text("#connection")), "the loss to be shown")
        assert state
    with started(tmp_path, f"serve --port {port}", "serving"):
        # Some are stored before the page is back, some come when it is.
        with SyncDashboardClient(url, api_key=key) as client:
            client.record_trades([{**TRADE, "id": f"while-{number}"} for number in range(5)])
            page.until_live()
            client.record_trade({**TRADE, "id": "after-0"})
        page.until(lambda: "after-0" in page.ids("#trades tbody tr"), "the trade after")
        page.until(lambda: len(page.ids("#trades tbody tr")) == 11, "all eleven trades")
        ids = page.ids("#trades tbody tr")
        wanted = {f"{when}-{n}" for when in ("before", "while") for n in range(5)} | {"after-0"}
        assert sorted(ids) == sorted(wanted)


def _away(state: str) -> bool:
    return state.strip() in ("reconnecting", "offline")
