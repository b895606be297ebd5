"""Why a trade was made, and what opened a position."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from alphapulse_api.domain.times import now
from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.asking import PORTFOLIO, SIGNAL, TRADE
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


def hold(desk: ThreadFeed, side: str, quantity: str) -> None:
    """A portfolio of one position."""
    held = {"symbol": "AAPL", "side": side, "quantity": quantity, "current_price": "9"}
    desk.update_portfolio({**PORTFOLIO, "positions": [held]})


def test_a_position_leads_to_the_trades_that_opened_it_and_to_their_reasons(
    desk: ThreadFeed, open_console: Opener
) -> None:
    fills = (("old", "buy", "5"), ("out", "sell", "5"), ("first", "buy", "0.3"),
             ("part", "sell", "0.1"), ("second", "buy", "0.1"))  # fmt: skip
    start = now() - timedelta(minutes=5)
    for second, (id_, side, quantity) in enumerate(fills):
        trade = {**TRADE, "id": id_, "symbol": "AAPL", "side": side, "quantity": quantity}
        desk.record_trade({**trade, "executed_at": start + timedelta(seconds=second)})
    desk.record_trade({**TRADE, "id": "other", "symbol": "IBM"})
    hold(desk, "long", "0.3")
    page = watched(desk, open_console)
    page.press("#positions button[data-action=opened]")
    page.until(lambda: page.count("#opened tbody tr"), "the trades")
    assert page.ids("#opened tbody tr") == ["second", "first"]
    assert page.texts("#opened tbody td:nth-child(5)") == ["0.1", "0.2"]
    assert "still open" in page.text("#opened-dialog [role=status]")
    page.press("#opened tr[data-id=first] button[data-action=why]")
    page.until(lambda: page.count("#why[aria-busy=false] li"), "the chain")
    assert page.text("#why-title") == "Why buy 0.3 AAPL?"


def test_what_no_trade_explains_of_a_position_is_said(
    desk: ThreadFeed, open_console: Opener
) -> None:
    trade = {**TRADE, "symbol": "AAPL", "side": "sell"}
    desk.record_trade({**trade, "id": "wrong", "quantity": "9"})
    desk.record_trade({**trade, "id": "right", "quantity": "4", "corrects": "wrong"})
    hold(desk, "short", "4.5")
    page = watched(desk, open_console)
    page.press("#positions button[data-action=opened]")
    page.until(lambda: page.ids("#opened tbody tr") == ["right"], "the trade that counts")
    page.until(lambda: "all but 0.5 of it" in page.text("#opened-dialog [role=status]"), "the rest")


def test_an_abstention_does_not_look_like_a_hold(desk: ThreadFeed, open_console: Opener) -> None:
    desk.record_signal("a", {**SIGNAL, "symbol": "AAPL", "direction": "hold"})
    desk.record_signal("b", {"symbol": "IBM", "abstained": True, "reason": "no prices"})
    page = watched(desk, open_console)
    page.until(lambda: page.count("#agents tbody tr") == 2, "the agents")
    assert page.count("#agents tr[data-id=a] .abstained") == 0
    assert "hold AAPL" in page.text("#agents tr[data-id=a]")
    assert "abstained IBM no prices" in page.text("#agents tr[data-id=b] .abstained")
    assert "hold" not in page.text("#agents tr[data-id=b]")


def test_characters_that_cannot_be_seen_are_marked_and_turn_nothing_around(
    desk: ThreadFeed, open_console: Opener
) -> None:
    desk.raise_alert({"id": "a1", "title": "a\u202e\u202ebc\u2069d", "message": "bell\x07"})
    page = watched(desk, open_console)
    page.until(lambda: page.count("li[data-id=a1]"), "the alert")
    marks = "return [...document.querySelectorAll('#alerts .mark')].map(it => it.dataset.code)"
    assert page.script(marks) == ["U+202E ×2", "U+2069", "U+0007"]
    # The letters stand from left to right.
    left = page.script(
        """
        const title = document.querySelector('#alerts h3'), range = document.createRange();
        return [...title.childNodes].filter(it => it.nodeType === 3).map(it => {
          range.selectNodeContents(it);
          return range.getBoundingClientRect().left;
        });
        """
    )
    assert left == sorted(left)
