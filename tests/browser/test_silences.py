"""Silences from an alert, the log of notifications, and the links in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alphapulse_api.config import NotifyConfig, ReceiverConfig, WebhookConfig
from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.asking import ALERT
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.browser.conftest import Opener

# Nothing listens on the port of `discard`.
HOOK = WebhookConfig("http://127.0.0.1:9/", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
CONFIG = NotifyConfig(receivers={"desk": ReceiverConfig(webhook=HOOK)}, group_wait=0)


def test_an_operator_silences_alerts_like_one_and_ends_it(
    desk: ThreadFeed, open_console: Opener
) -> None:
    desk.raise_alert({**ALERT, "id": "a1", "source": "risk", "rule_id": "r-1"})
    page = open_console(desk.url)
    page.login("olga", PASSWORD)
    page.press("li[data-id=a1] button[data-action=silence]")
    page.until(lambda: page.count("#silence-dialog[open]"), "the question")
    said = page.texts("#silence-dialog label:has(:checked)")
    assert said[:2] == ["rule r-1", "source risk"], said
    page.driver.find_element("css selector", "#silence-dialog textarea").send_keys("known")
    page.press("#silence-dialog button[type=submit]")
    page.until(lambda: page.count("#silences tbody tr") == 1, "the silence")
    row = page.text("#silences tbody tr")
    assert "rule r-1" in row
    assert "source risk" in row
    assert "olga" in row
    assert "known" in row
    page.press("#silences button[data-action=end]")
    page.until(lambda: not page.count("#silences tbody tr"), "its end")


def test_a_viewer_sees_silences_and_has_no_button(desk: ThreadFeed, open_console: Opener) -> None:
    desk.raise_alert({**ALERT, "id": "a1"})
    page = open_console(desk.url)
    page.login("vera", PASSWORD)
    page.until(lambda: page.count("li[data-id=a1]"), "the alert")
    page.until(lambda: page.text("#panel-silences .status"), "that there are none")
    assert not page.count("[data-action]")


@pytest.mark.parametrize("desk", [{"notify": CONFIG}], indirect=True)
def test_what_became_of_a_notification_is_shown(desk: ThreadFeed, open_console: Opener) -> None:
    desk.raise_alert({**ALERT, "id": "a1", "title": "Drawdown"})
    page = open_console(desk.url)
    page.login("vera", PASSWORD)
    page.until(lambda: "Drawdown" in page.text("#notifications tbody tr"), "the notification")
    tries = "#notifications tbody td:nth-child(6)"
    page.until(lambda: page.text(tries) == "1", "the attempt")
    assert "pending" in page.text("#notifications [data-state]"), "it is tried again"
    assert "desk" in page.text("#notifications tbody tr")


def test_a_link_leads_to_an_alert_that_is_resolved(desk: ThreadFeed, open_console: Opener) -> None:
    desk.raise_alert({**ALERT, "id": "old"})
    desk.resolve_alert("old")
    desk.raise_alert({**ALERT, "id": "new"})
    page = open_console(desk.url)
    page.login("vera", PASSWORD)
    page.until(lambda: page.ids("#alerts li") == ["new"], "the open one")
    page.script("location.hash = 'alert=old'")
    page.until(lambda: page.ids("#alerts li[data-linked]") == ["old"], "the one of the link")
