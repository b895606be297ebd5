"""Rules: made, tested on the past, disabled and deleted on the page."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from alphapulse_api.domain.times import now
from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.browser.conftest import Opener
    from tests.browser.page import Page

ROWS = "#rules tbody tr"


def fill(page: Page, **values: str) -> None:
    """Fill in the form of a rule."""
    for name, value in values.items():
        page.script(
            "const it = document.querySelector(`#rule-dialog [name='${arguments[0]}']`);"
            "if (it.tagName === 'SELECT')"
            "  it.selectedIndex = [...it.options].findIndex(one => one.text === arguments[1]);"
            "else it.value = arguments[1];"
            "it.dispatchEvent(new Event('change', {bubbles: true}))",
            name,
            value,
        )


def test_an_operator_makes_tests_disables_and_deletes_a_rule(
    desk: ThreadFeed, open_console: Opener
) -> None:
    start = now() - timedelta(minutes=10)
    desk.record_metrics(
        [
            {"metric_type": "risk", "name": "var", "value": value,
             "timestamp": start + timedelta(seconds=second)}
            for second, value in enumerate((1, 9, 9, 1))
        ]
    )  # fmt: skip
    page = open_console(desk.url)
    page.login("olga", PASSWORD)
    page.press("#panel-rules button[name=new]")
    page.until(lambda: page.count("#rule-dialog[open]"), "the form")
    fill(page, name="VaR", metric_type="risk", metric_name="var", threshold="5", severity="error")
    page.press("#rule-dialog button[name=test]")
    page.until(lambda: "1 alert from" in page.text("#tested"), "what it would have done")
    assert "fired" in page.texts("#tested li")[0]
    assert "recovered" in page.texts("#tested li")[1]
    page.press("#rule-dialog button[type=submit]")
    page.until(lambda: page.count(ROWS) == 1, "the rule")
    assert "risk var > 5" in page.text(ROWS)
    desk.record_metrics([{"metric_type": "risk", "name": "var", "value": 8}])
    page.until(lambda: page.count("#alerts li[data-severity=error]"), "its alert")
    page.press(f"{ROWS} button[data-action=switch]")
    page.until(lambda: "disabled" in page.text(ROWS), "it to be disabled")
    page.press(f"{ROWS} button[data-action=edit]")
    fill(page, name="VaR of all", window="5m", function="avg")
    fill(page, window="5m")
    page.press("#rule-dialog button[type=submit]")
    page.until(lambda: "avg of risk var over 5m > 5" in page.text(ROWS), "the change")
    assert "disabled" in page.text(ROWS), "what the form does not have stays"
    page.press(f"{ROWS} button[data-action=delete]")
    page.press("#question-dialog[open] button[type=submit]")
    page.until(lambda: not page.count(ROWS), "its end")


def test_what_is_wrong_with_a_rule_is_said_in_the_form(
    desk: ThreadFeed, open_console: Opener
) -> None:
    open_console.forgive("/api/rules - Failed to load resource")  # a 422
    page = open_console(desk.url)
    page.login("olga", PASSWORD)
    page.press("#panel-rules button[name=new]")
    fill(page, name="x", metric_type="risk", metric_name="var", threshold="5", title="{nothing")
    page.press("#rule-dialog button[type=submit]")
    page.until(lambda: "title" in page.text("#rule-dialog [role=alert]"), "what is wrong")
    assert page.count("#rule-dialog[open]")


def test_a_viewer_sees_rules_and_cannot_change_them(desk: ThreadFeed, open_console: Opener) -> None:
    page = open_console(desk.url)
    page.login("vera", PASSWORD)
    page.until(lambda: page.text("#panel-rules .status"), "that there are none")
    assert page.count("#panel-rules button[name=new][hidden]")
