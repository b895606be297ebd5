"""Why a trade was made, and which book is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.asking import PORTFOLIO, TRADE
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.browser.conftest import Opener
    from tests.browser.page import Page

HOSTILE = "<img src=x onerror=\"window.owned='thesis'\">\u202e**bold**\x07" + "x" * 60_000
DECISION = {
    "id": "d1",
    "agent_id": "manager",
    "reasoning": "The trend counts. " + HOSTILE[:60],
    "signal_ids": ["s-17"],
    "signals": [
        {"id": "s1", "agent_id": "value-1", "symbol": "AAPL", "direction": "buy", "thesis": HOSTILE}
    ],
    "votes": [{"agent_id": "value-1", "weight": 0.5, "conviction": 0.25}],
    "constraints": [
        {"name": "volatility", "symbol": "AAPL", "before": "100", "after": "50", "reason": "Wild."}
    ],
    "targets": [{"symbol": "AAPL", "weight_before": 0, "weight_target": 0.1, "quantity": "50"}],
    "usage": [{"model": "m", "calls": 2, "cost": "0.0123", "currency": "USD"}, {"model": "n"}],
}


def watched(desk: ThreadFeed, open_console: Opener) -> Page:
    """The console, live."""
    page = open_console(desk.url)
    page.login("vera", PASSWORD)
    page.until_live()
    return page


def chain(page: Page, id_: str) -> dict[str, str]:
    """The steps of the chain of a trade, by name."""
    page.press(f"#trades tr[data-id={id_}] button[data-action=why]")
    page.until(lambda: page.count("#why[aria-busy=false] li"), "the chain")
    names = page.script(
        "return [...document.querySelectorAll('#why li')].map(it => it.dataset.step)"
    )
    return dict(zip(names, page.texts("#why li"), strict=True))


def test_the_chain_of_a_trade_is_shown_from_signals_to_profit(
    desk: ThreadFeed, open_console: Opener
) -> None:
    trade = {**TRADE, "id": "t1", "symbol": "AAPL", "side": "buy", "decided_price": "180.5"}
    desk.record_decision({**DECISION, "trades": [trade]})
    page = watched(desk, open_console)
    steps = chain(page, "t1")
    assert list(steps) == ["signals", "votes", "risk", "decision", "fill", "profit", "cost"]
    assert HOSTILE in steps["signals"], "the thesis, to its last character"
    assert "signal s-17: never received" in steps["signals"]
    assert page.count("#why li[data-step=signals] details:not([open])") == 1
    assert "value-1: weight 0.5" in steps["votes"]
    assert "volatility AAPL: 100 → 50 · Wild." in steps["risk"]
    assert "The trend counts." in steps["decision"]
    assert "180.50" in steps["fill"]
    assert page.count("#why li[data-step=profit] [data-figure=profit]") == 1
    assert "0.0123 USD" in steps["cost"]
    assert "calls of unknown cost 1" in steps["cost"]
    page.press("#why summary")
    assert page.count("#why details[open]") == 1
    assert not page.count("#why img, #why a, #why script")
    assert page.script("return window.owned ?? null") is None
    wide = (
        "const it = document.querySelector('#why-dialog'); return it.scrollWidth - it.clientWidth"
    )
    assert page.script(wide) == 0, "60 kB of one line make nothing wider"


def test_a_trade_without_reasons_says_so(desk: ThreadFeed, open_console: Opener) -> None:
    desk.record_trade({**TRADE, "id": "bare"})
    desk.record_trade({**TRADE, "id": "lost", "decision_id": "d-9"})
    page = watched(desk, open_console)
    assert "The trade names no decision." in chain(page, "bare")["decision"]
    page.press("#why-dialog button[name=close]")
    page.until(lambda: not page.count("#why-dialog[open]"), "the dialog to close")
    assert "decision d-9: never received" in chain(page, "lost")["decision"]


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
    total = "#headline [data-figure=total_value]"
    page.until(lambda: page.text("#mode") == "live", "the mode")
    page.until(lambda: page.count("#trades tbody tr") == 1, "the trade of main")
    assert "BETA" not in page.text("#trades")

    def choose(book: str) -> None:
        page.script(
            "const it = document.querySelector('#book select'); it.value = arguments[0];"
            "it.dispatchEvent(new Event('change'))",
            book,
        )

    choose("beta")
    page.until(lambda: page.text(total) == "777.00", "the value of the other book")
    page.until(lambda: "BETA" in page.text("#trades"), "the trade of the other book")
    assert page.text("#mode") == "paper"
    assert page.count("#trades tbody tr") == 1
    desk.record_trade({**TRADE, "id": "t2"})
    desk.update_portfolio({**PORTFOLIO, "total_value": "500"})
    desk.record_trade({**TRADE, "id": "t3", "book": "beta"})
    page.until(lambda: page.ids("#trades tbody tr") == ["t3", "t1"], "only trades of the book")
    assert page.text(total) == "777.00"
    assert page.text("#why-title") == ""
    chain(page, "t1")
    assert "BETA" in page.text("#why-title")
    page.press("#why-dialog button[name=close]")
    choose("empty")
    page.until(lambda: page.text(total) == "–", "no value of another book")
    assert not page.count("#positions tbody tr")
    page.until(lambda: not page.count("#trades tbody tr"), "no trade of another book")


def test_with_one_book_there_is_nothing_to_choose(desk: ThreadFeed, open_console: Opener) -> None:
    page = watched(desk, open_console)
    page.until(lambda: page.requests("/api/books"), "the books")
    assert page.count("#book[hidden]")
    assert page.count("#mode[hidden]")
