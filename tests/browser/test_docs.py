"""Swagger UI as a person uses it: sign in, try a route out, by day and by night."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.browser.conftest import Opener
    from tests.browser.page import Page

ME = "#operations-auth-getMe"
SIGN_IN = ".auth-container:has(#oauth_username)"


def documents(desk: ThreadFeed, open_console: Opener) -> Page:
    page = open_console(desk.url)
    page.driver.get(f"{desk.url}/docs")
    page.until(lambda: page.count(".opblock"), "the routes")
    return page


def shown(page: Page, selector: str) -> int:
    """How many of what is found can be seen."""
    script = (
        "return [...document.querySelectorAll(arguments[0])].filter((e) => e.checkVisibility())"
    )
    return len(page.script(script, selector))


def fill(page: Page, selector: str, text: str) -> None:
    page.driver.find_element("css selector", selector).send_keys(text)


def test_one_signs_in_and_tries_a_route_out(desk: ThreadFeed, open_console: Opener) -> None:
    page = documents(desk, open_console)
    assert page.script("return versions.swaggerUI.version").startswith("5.")
    page.press(".auth-wrapper .authorize")
    page.until(lambda: shown(page, "#oauth_username"), "the form")
    assert shown(page, "#oauth_password") == 1
    assert shown(page, "[id^=client_id], [id^=client_secret], #password_type") == 0
    fill(page, "#oauth_username", "vera")
    fill(page, "#oauth_password", PASSWORD)
    page.press(f"{SIGN_IN} .authorize")
    page.until(lambda: "Logout" in page.text(".auth-container"), "to be signed in")
    page.press(".modal-ux .close-modal")
    page.press(f"{ME} .opblock-summary-control")
    page.press(f"{ME} .try-out__btn")
    page.press(f"{ME} .execute")
    page.until(lambda: page.count(f"{ME} .live-responses-table .response"), "the answer")
    answer = page.text(f"{ME} .live-responses-table")
    assert "200" in answer
    assert f"{desk.url}/api/me" in page.text(f"{ME} .request-url")
    assert '"username": "vera"' in answer


def test_it_is_dark_where_the_reader_s_system_is(desk: ThreadFeed, open_console: Opener) -> None:
    page = documents(desk, open_console)
    background = "return getComputedStyle(document.documentElement).backgroundColor"
    colours = {}
    for theme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        dark = theme == "dark"
        page.until(lambda dark=dark: page.count("html.dark-mode") == dark, theme)  # type: ignore[misc]
        colours[theme] = page.script(background)
    assert colours["dark"] == "rgb(28, 32, 34)"
    assert colours["light"] != colours["dark"]
