"""Which book is shown, all of them side by side, and what thinking cost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from alphapulse_api.domain.times import now
from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.asking import PORTFOLIO, TRADE
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.browser.conftest import Opener
    from tests.browser.page import Page

TOTAL = "#headline [data-figure=total_value]"
COST = "#headline [data-figure=cost]"


def watched(desk: ThreadFeed, open_console: Opener) -> Page:
    """The console, live."""
    page = open_console(desk.url)
    page.login("vera", PASSWORD)
    page.until_live()
    return page


def choose(page: Page, book: str) -> None:
    """Choose a book in the header."""
    page.script(
        "const it = document.querySelector('#book select'); it.value = arguments[0];"
        "it.dispatchEvent(new Event('change'))",
        book,
    )


def test_the_page_shows_one_book_and_says_whose_money_it_is(
    desk: ThreadFeed, open_console: Opener
) -> None:
    open_console.forgive("/api/portfolio?book=empty")  # a 404
    for book in ("beta", "empty"):
        desk.open_book(book, mode="paper", currency="USD")
    desk.record_trade({**TRADE, "id": "t1"})
    desk.record_trade({**TRADE, "id": "t1", "book": "beta", "symbol": "BETA"})
    desk.update_portfolio({**PORTFOLIO, "book": "beta", "total_value": "777", "cash": "777"})
    page = watched(desk, open_console)
    page.until(lambda: page.text("#mode") == "live", "the mode")
    page.until(lambda: page.count("#trades tbody tr") == 1, "the trade of main")
    assert "BETA" not in page.text("#trades")

    choose(page, "beta")
    page.until(lambda: page.text(TOTAL) == "777.00", "the value of the other book")
    page.until(lambda: "BETA" in page.text("#trades"), "the trade of the other book")
    assert page.text("#mode") == "paper"
    assert page.count("#trades tbody tr") == 1
    desk.record_trade({**TRADE, "id": "t2"})
    desk.update_portfolio({**PORTFOLIO, "total_value": "500"})
    desk.record_trade({**TRADE, "id": "t3", "book": "beta"})
    page.until(lambda: page.ids("#trades tbody tr") == ["t3", "t1"], "only trades of the book")
    assert page.text(TOTAL) == "777.00"
    assert page.text("#why-title") == ""
    page.press("#trades tr[data-id=t1] button[data-action=why]")
    page.until(lambda: "BETA" in page.text("#why-title"), "the chain of the trade of that book")
    page.press("#why-dialog button[name=close]")
    choose(page, "empty")
    page.until(lambda: page.text(TOTAL) == "–", "no value of another book")
    assert not page.count("#positions tbody tr")
    page.until(lambda: not page.count("#trades tbody tr"), "no trade of another book")


def test_with_one_book_there_is_nothing_to_choose(desk: ThreadFeed, open_console: Opener) -> None:
    page = watched(desk, open_console)
    page.until(lambda: page.requests("/api/books"), "the books")
    assert page.count("#book[hidden]")
    assert page.count("#mode[hidden]")


def test_all_books_stand_side_by_side_and_different_money_is_never_added(
    desk: ThreadFeed, open_console: Opener
) -> None:
    for book, mode, currency in (
        ("beta", "paper", "USD"), ("gamma", "live", "USD"), ("euro", "live", "EUR")
    ):  # fmt: skip
        desk.open_book(book, mode=mode, currency=currency)
        desk.update_portfolio({"book": book, "total_value": "1.10", "cash": "1"})
        desk.record_trade({**TRADE, "id": "t1", "book": book})
    page = watched(desk, open_console)
    page.until(lambda: page.count("#book select option[value='*']"), "the choice")
    assert page.count("#panel-books[hidden]")
    choose(page, "*")
    page.until(lambda: page.count("#books tbody tr") == 4, "the books")
    assert page.count("#panel-portfolio[hidden]")
    assert page.ids("#books tbody tr") == ["beta", "euro", "gamma", "main"]
    assert page.text("#books tr[data-id=beta] [data-mode=paper]") == "paper"
    totals = {
        name: page.text(f"#book-totals [data-figure='{name}']")
        for name in ("live EUR", "live USD", "paper USD")
    }
    assert totals == {"live EUR": "1.10", "live USD": "100,001.10", "paper USD": "1.10"}
    assert page.count("#book-totals dd") == 3
    assert page.text(TOTAL) == "–", "no sum over all of them"
    page.until(lambda: page.count("#trades tbody tr") == 3, "the trades of all books")
    desk.record_trade({**TRADE, "id": "t1"})
    page.until(lambda: "main t1" in page.ids("#trades tbody tr"), "a trade of the same id")
    assert page.count("#trades tbody tr") == 4
    page.press("#books tr[data-id=gamma] button")
    page.until(lambda: page.text(TOTAL) == "1.10", "the book that was pressed")
    assert page.count("#panel-books[hidden]")
    assert page.script("return document.querySelector('#book select').value") == "gamma"


def test_the_cost_of_thinking_stands_beside_the_profit_of_the_day(
    desk: ThreadFeed, open_console: Opener
) -> None:
    call = {"agent_id": "a", "model": "m", "cost": "0.0123", "currency": "USD"}
    desk.record_usage(call)
    desk.record_usage({**call, "cost": "1", "currency": "EUR"})
    desk.record_usage({**call, "cost": "5", "timestamp": now() - timedelta(days=1)})
    for _ in range(2):
        desk.record_usage({"agent_id": "a", "model": "unheard-of"})
    page = watched(desk, open_console)
    page.until(lambda: page.text(COST), "the cost")
    assert page.text(COST) == "thinking 1.00 EUR + 0.0123 USD + 2 calls of unknown cost today"
    page.until(lambda: page.text("#headline [data-figure=change]"), "the profit")
    for figure in ("change", "cost"):
        title = page.script(f"return document.querySelector('[data-figure={figure}]').title")
        assert "since midnight in " in title, "both are of the same day"


def test_the_day_begins_where_the_viewer_is(desk: ThreadFeed, open_console: Opener) -> None:
    page = open_console(desk.url)
    # Kathmandu is 5 h 45 min ahead of UTC, without summer time.
    page.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kathmandu"})
    try:
        starts = page.module(
            """
            const { midnight } = await import("./day.js");
            return [Date.parse("2026-01-31T18:14:59Z"), Date.parse("2026-01-31T18:15:00Z")]
              .map((ms) => new Date(midnight(ms)).toISOString());
            """
        )
    finally:
        page.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})
    assert starts == ["2026-01-30T18:15:00.000Z", "2026-01-31T18:15:00.000Z"]
