"""A person who acts on alerts, and one who may only look."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING

import pytest

from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.asking import ALERT
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.browser.conftest import Opener

SEEN_SECONDS = 2.0


def test_an_acknowledgement_is_seen_in_another_browser_within_two_seconds(
    desk: ThreadFeed, open_console: Opener
) -> None:
    desk.raise_alert({**ALERT, "id": "a1"})
    pages = [open_console(desk.url), open_console(desk.url)]
    for page, user in zip(pages, ("olga", "otto"), strict=True):
        page.login(user, PASSWORD)
        page.until_live()
        page.until(lambda p=page: p.count("li[data-id=a1][data-status=active]"), "the alert")
    olga, otto = pages
    olga.press("li[data-id=a1] button[data-action=acknowledge]")
    olga.until(lambda: olga.count("dialog[open] textarea[name=comments]"), "the question")
    olga.driver.find_element("css selector", "#alert-dialog textarea").send_keys("on it")
    olga.press("#alert-dialog button[type=submit]")
    acknowledged = "li[data-id=a1][data-status=acknowledged]"
    otto.until(lambda: otto.count(acknowledged), "the acknowledgement", SEEN_SECONDS)
    olga.until(lambda: olga.count(acknowledged), "the acknowledgement where it was made")
    for page in pages:
        assert "olga" in page.text(acknowledged)
        assert "on it" in page.text(acknowledged)
        assert not page.count("li[data-id=a1] button[data-action=acknowledge]")
    otto.press("li[data-id=a1] button[data-action=resolve]")
    otto.press("#alert-dialog[open] button[type=submit]")
    olga.until(lambda: not olga.count("li[data-id=a1]"), "the alert to be done with", SEEN_SECONDS)
    assert olga.text("#active-alerts") == "0"


def test_a_viewer_has_no_button_and_would_be_refused(
    desk: ThreadFeed, open_console: Opener
) -> None:
    desk.raise_alert({**ALERT, "id": "a1"})
    page = open_console(desk.url)
    page.login("vera", PASSWORD)
    page.until(lambda: page.count("li[data-id=a1]"), "the alert")
    page.until_live()
    assert not page.count("[data-action]")
    form = {"grant_type": "password", "username": "vera", "password": PASSWORD}
    with urllib.request.urlopen(f"{desk.url}/token", urllib.parse.urlencode(form).encode()) as r:
        token = json.load(r)["access_token"]
    for action in ("acknowledge", "resolve"):
        request = urllib.request.Request(
            f"{desk.url}/api/alerts/a1/{action}",
            headers={"Authorization": f"Bearer {token}"},
            method="POST",
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert refused.value.code == 403
        refused.value.close()
    assert page.count("li[data-id=a1][data-status=active]")
