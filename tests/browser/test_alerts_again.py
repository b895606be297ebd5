"""An alert of another system that is resolved and fires again, as a person sees it."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.conftest import PASSWORD
from tests.webhooks import AGAIN, RESOLVED, alertmanager

if TYPE_CHECKING:
    from tests.browser.conftest import Opener


def _post(url: str, body: bytes, **headers: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
        return json.load(answer)


def test_an_alert_that_fires_again_is_shown_again(desk: ThreadFeed, open_console: Opener) -> None:
    form = {"grant_type": "password", "username": "ada", "password": PASSWORD}
    token = _post(f"{desk.url}/token", urlencode(form).encode())["access_token"]

    def send(*alerts: dict[str, Any]) -> None:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        body = json.dumps(alertmanager(*alerts)).encode()
        _post(f"{desk.url}/webhooks/alertmanager", body, **headers)

    page = open_console(desk.url)
    page.login("olga", PASSWORD)
    page.until_live()
    later = {"fingerprint": "f2", "startsAt": "2026-01-01T10:30:00Z"}
    send({}, later)
    page.until(lambda: page.ids("#alerts li") == ["f2", "f1"], "both alerts")
    send(RESOLVED)
    page.until(lambda: page.ids("#alerts li") == ["f2"], "the alert to be resolved")
    send(AGAIN)
    page.until(lambda: page.ids("#alerts li") == ["f1", "f2"], "the alert again, as the newest")
    assert page.text("#active-alerts") == "2"
