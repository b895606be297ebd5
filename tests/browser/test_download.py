"""A person who saves a list as a file, for a spreadsheet."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.asking import ALERT, TRADE
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.browser.conftest import Opener
    from tests.browser.page import Page

FORMULA = '=HYPERLINK("http://evil.example","x")'


def signed_in(desk: ThreadFeed, open_console: Opener, folder: Path) -> Page:
    """The console, whose downloads go to a folder."""
    page = open_console(desk.url)
    settings = {"behavior": "allow", "downloadPath": str(folder)}
    page.driver.execute_cdp_cmd("Browser.setDownloadBehavior", settings)
    page.login("vera", PASSWORD)
    page.until_live()
    return page


def downloaded(page: Page, panel: str, file: Path) -> list[dict[str, str]]:
    """The rows of the file that the download button of a panel saves."""
    page.press(f"#panel-{panel} button[name=download]")
    page.until(file.exists, f"the file {file.name}")
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_the_trades_that_match_are_saved_without_formulas(
    desk: ThreadFeed, open_console: Opener, tmp_path: Path
) -> None:
    desk.record_trades(
        [{**TRADE, "id": f"t{number}", "strategy": FORMULA} for number in range(600)]
    )
    desk.record_trade({**TRADE, "id": "other", "symbol": "IBM"})
    page = signed_in(desk, open_console, tmp_path)
    page.driver.find_element("css selector", "#trade-filters input[name=symbol]").send_keys(
        f"{TRADE['symbol']}\n"
    )
    rows = downloaded(page, "trades", tmp_path / "trades.csv")
    assert {row["id"] for row in rows} == {f"t{number}" for number in range(600)}
    assert {row["strategy"] for row in rows} == {f"'{FORMULA}"}
    assert {row["price"] for row in rows} == {TRADE["price"]}


def test_the_alerts_of_a_severity_are_saved(
    desk: ThreadFeed, open_console: Opener, tmp_path: Path
) -> None:
    for severity in ("info", "error"):
        desk.raise_alert({**ALERT, "id": severity, "severity": severity, "title": FORMULA})
    page = signed_in(desk, open_console, tmp_path)
    page.script(
        "const it = document.querySelector('#panel-alerts select[name=severity]');"
        "it.value = '2'; it.dispatchEvent(new Event('change'))"
    )
    (row,) = downloaded(page, "alerts", tmp_path / "alerts.csv")
    assert (row["id"], row["title"]) == ("error", f"'{FORMULA}")


def test_a_download_that_fails_says_why(
    desk: ThreadFeed, open_console: Opener, tmp_path: Path
) -> None:
    open_console.forgive("/api/trades")
    page = signed_in(desk, open_console, tmp_path)
    page.script(
        "document.querySelector('#trade-filters input[name=symbol]').value = 'x'.repeat(20000)"
    )
    page.press("#panel-trades button[name=download]")
    page.until(lambda: page.text("#panel-trades .status.error").strip(), "the reason")
    page.until(lambda: page.count("#panel-trades button[name=download]:enabled"), "the button")
