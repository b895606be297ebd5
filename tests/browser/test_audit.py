"""Who did what, as an admin reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.asking import ALERT
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.browser.conftest import Opener

ENTRIES = 100  # a page


def test_an_admin_sees_who_did_what(desk: ThreadFeed, open_console: Opener) -> None:
    for number in range(ENTRIES + 1):
        desk.raise_alert({**ALERT, "id": f"a{number}"})
        desk.acknowledge_alert(f"a{number}", "ada")
    page = open_console(desk.url)
    page.login("ada", PASSWORD)
    page.until(lambda: page.count("#audit tbody tr") == ENTRIES, "a page of entries")
    page.until(lambda: "user.login" in page.text("#audit"), "the own login")
    assert "status: active → acknowledged" in page.text("#audit")
    newest = page.ids("#audit tbody tr")
    page.press("#panel-audit button[name=older]")
    page.until(lambda: page.count("#audit tbody tr") > ENTRIES, "older entries")
    assert page.ids("#audit tbody tr")[:ENTRIES] == newest
    page.until(lambda: page.count("#panel-audit button[name=older][hidden]"), "the end")
    page.script(
        "const it = document.querySelector('#audit-filters [name=action]');"
        "it.value = 'user.login'; it.dispatchEvent(new Event('change', {bubbles: true}))"
    )
    page.until(lambda: page.count("#audit tbody tr") == 1, "what was asked for")
    assert "ada" in page.text("#audit tbody tr")


def test_others_have_no_audit_log(desk: ThreadFeed, open_console: Opener) -> None:
    page = open_console(desk.url)
    page.login("olga", PASSWORD)
    page.until_live()
    assert page.count("#panel-audit[hidden]")
    assert page.count("nav a[href='#panel-audit'][hidden]")
    assert not page.requests("/api/audit")
