"""What the panels show is what happened: nothing overtaken, nothing left out, nothing cut off."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from alphapulse_api.domain.times import now
from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.asking import ALERT, PORTFOLIO, TRADE
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.browser.conftest import Opener
    from tests.browser.page import Page

# Every answer to an acknowledgement waits until window.release() is called.
HOLD_ANSWERS = """
    const real = window.fetch;
    window.fetch = async (...given) => {
      const response = await real(...given);
      if (String(given[0]).endsWith("/acknowledge")) {
        await new Promise((done) => { window.release = done; });
      }
      return response;
    };
"""
TOTAL = "#headline [data-figure=total_value]"
LEFT_SECONDS = 10  # of the range, for the oldest point
NARROW = {"width": 1280, "height": 1000, "deviceScaleFactor": 1, "mobile": False}


def watched(desk: ThreadFeed, open_console: Opener, user: str = "vera") -> Page:
    """The console, live."""
    page = open_console(desk.url)
    page.login(user, PASSWORD)
    page.until_live()
    return page


def drawn(page: Page, chart: str) -> list[dict[str, Any]]:
    """The traces that plotly.js has."""
    traces: list[dict[str, Any]] = page.script(
        "return (document.querySelector(arguments[0]).data ?? [])"
        ".map(({name, x}) => ({name, points: x.length}))",
        chart,
    )
    return traces


def test_an_answer_does_not_undo_what_happened_since(
    desk: ThreadFeed, open_console: Opener
) -> None:
    desk.raise_alert({**ALERT, "id": "a1"})
    page = watched(desk, open_console, "olga")
    page.script(HOLD_ANSWERS)
    page.press("li[data-id=a1] button[data-action=acknowledge]")
    page.press("#alert-dialog[open] button[type=submit]")
    page.until(lambda: page.count("li[data-id=a1][data-status=acknowledged]"), "the event")
    desk.resolve_alert("a1")
    page.until(lambda: not page.count("li[data-id=a1]"), "the alert to be done with")
    page.until(lambda: page.script("return Boolean(window.release)"), "the answer")
    page.script("window.release(); document.querySelector('#alerts').dataset.mark = 'held'")
    page.until(lambda: not page.count("#alert-dialog[open]"), "the answer to be handled")
    desk.raise_alert({**ALERT, "id": "a2"})
    page.until(lambda: page.count("li[data-id=a2]"), "the list to be shown again")
    assert page.ids("#alerts li") == ["a2"]


def test_a_portfolio_later_in_the_same_second_is_shown(
    desk: ThreadFeed, open_console: Opener
) -> None:
    page = watched(desk, open_console)
    second = now().replace(microsecond=0) + timedelta(seconds=5)
    for total, after in (("200", 0), ("300", 500_000)):
        as_of = second + timedelta(microseconds=after)
        desk.update_portfolio({**PORTFOLIO, "total_value": total, "as_of": as_of})
        page.until(lambda it=total: page.text(TOTAL) == f"{it}.00", f"a value of {total}")


def test_a_portfolio_of_a_clock_that_runs_ahead_gives_way(
    desk: ThreadFeed, open_console: Opener
) -> None:
    page = watched(desk, open_console)
    for total, ahead in (("200", 240), ("300", 0), ("400", 0)):
        as_of = now() + timedelta(seconds=ahead)
        desk.update_portfolio({**PORTFOLIO, "total_value": total, "as_of": as_of})
        page.until(lambda it=total: page.text(TOTAL) == f"{it}.00", f"a value of {total}")
    curve = "return document.querySelector('#equity-chart').data?.[0].x ?? []"
    page.until(lambda: page.script(curve), "the curve")
    assert page.script(curve) == sorted(page.script(curve)), page.script(curve)


def test_trades_of_one_second_stand_in_their_order(desk: ThreadFeed, open_console: Opener) -> None:
    second = now().replace(microsecond=0)
    for number, after in enumerate((0, 250_000, 500_000)):
        executed_at = second + timedelta(microseconds=after)
        desk.record_trade({**TRADE, "id": f"t{number}", "executed_at": executed_at})
    page = watched(desk, open_console)
    page.until(lambda: page.count("#trades tbody tr") == 3, "three trades")
    assert page.ids("#trades tbody tr") == ["t2", "t1", "t0"]


def test_rows_stand_in_their_order_whatever_comes_and_goes(
    desk: ThreadFeed, open_console: Opener
) -> None:
    page = open_console(desk.url)
    wrong = page.module(
        """
        const { table } = await import("./dom.js");
        const whole = document.body.appendChild(document.createElement("table"));
        whole.id = "any";
        const show = table("#any", [["N", ({ n }) => String(n)]]);
        let seed = 1;
        const random = (below) => (seed = seed * 48271 % 2147483647) % below;
        let items = [], next = 0;
        for (let round = 0; round < 300; round++) {
          const at = random(4) ? 0 : random(items.length + 1); // mostly on top
          const fresh = Array.from({ length: random(40) }, () => ({ n: next++ }));
          items.splice(at, 0, ...fresh);
          // One moves, one goes.
          if (items.length) items[random(items.length)] = { n: items.pop().n };
          if (items.length) items[0] = { ...items[0] }; // one is rebuilt
          items = round % 50 === 49 ? [] : items.slice(0, 300);
          show(items, ({ n }) => n);
          const rows = [...whole.querySelectorAll("tbody tr")].map((row) => row.textContent);
          if (String(rows) !== String(items.map(({ n }) => n))) return `round ${round}: ${rows}`;
          const bodies = [...whole.tBodies].map((body) => body.rows.length);
          if (bodies.includes(0)) return `round ${round}: ${bodies}`;
          window.bodies = Math.max(window.bodies ?? 0, bodies.length);
        }
        return window.bodies > 3 ? null : `${window.bodies} bodies`;
        """
    )
    assert wrong is None


def test_points_of_one_millisecond_all_count(desk: ThreadFeed, open_console: Opener) -> None:
    moment = now().replace(microsecond=0)
    points = [
        {"metric_type": "risk", "name": "var", "value": 1.0, "timestamp": moment + after}
        for after in (timedelta(microseconds=100 * n) for n in range(8))
    ]
    page = watched(desk, open_console)
    desk.record_metrics(points[:1])
    page.look_at("#metrics-chart")
    page.until(lambda: page.count("#metrics-chart .scatterlayer .trace"), "the line")
    page.script(
        "const it = document.querySelector('#panel-metrics select[name=aggregation]');"
        "it.value = 'count'; it.dispatchEvent(new Event('change'))"
    )
    desk.record_metrics(points[1:])
    most = "return Math.max(...document.querySelector('#metrics-chart').data[0].y)"
    page.until(lambda: page.script(most) == 8, "eight points")


def test_a_symbol_held_long_and_short_has_two_rows(desk: ThreadFeed, open_console: Opener) -> None:
    held = {"symbol": "AAPL", "quantity": "1", "current_price": "9"}
    both = [{**held, "side": side} for side in ("long", "short")]
    desk.update_portfolio({**PORTFOLIO, "positions": both})
    page = watched(desk, open_console)
    page.until(lambda: page.count("#positions tbody tr"), "the positions")
    sides = page.texts("#positions tbody tr td:nth-child(2)")
    assert sorted(sides) == ["long", "short"]
    assert page.count("#allocation li") == 3


def test_the_curve_keeps_to_its_range(desk: ThreadFeed, open_console: Opener) -> None:
    oldest = now() - timedelta(minutes=15) + timedelta(seconds=LEFT_SECONDS)
    desk.update_portfolio({**PORTFOLIO, "as_of": oldest})
    page = watched(desk, open_console)
    page.script(
        "const it = document.querySelector('#panel-portfolio select[name=range]');"
        "it.value = '900'; it.dispatchEvent(new Event('change'))"
    )
    first = "return document.querySelector('#equity-chart').data?.[0].x[0] ?? ''"
    begin = oldest.isoformat()[:19]
    page.until(lambda: str(page.script(first)).startswith(begin), "the oldest point")

    def moved_on() -> bool:
        desk.update_portfolio(PORTFOLIO)
        return not str(page.script(first)).startswith(begin)

    page.until(moved_on, "the oldest point to be out of the range")


def test_amounts_are_shown_in_cents_and_exactly_under_the_pointer(
    desk: ThreadFeed, open_console: Opener
) -> None:
    held = {
        "symbol": "AAPL", "quantity": "1.2345", "current_price": "9.87654", "value": "12.19250",
        "unrealized_pnl": "-0.5678",
    }  # fmt: skip
    desk.update_portfolio({"total_value": "103341.2924", "cash": "9000.0051", "positions": [held]})
    desk.record_trade({**TRADE, "quantity": "0.001", "price": "187.2051", "value": "0.1872051"})
    page = watched(desk, open_console)
    page.until(lambda: page.count("#positions tbody tr"), "the positions")
    page.until(lambda: page.count("#trades tbody tr"), "the trade")
    for shown, exact, where in (
        ("103,341.29", "103341.2924", TOTAL),
        ("9,000.01", "9000.0051", "[data-figure=cash]"),
        ("12.19", "12.19250", "#positions tbody td"),
        ("-0.57", "-0.5678", "#positions tbody td"),
        ("0.19", "0.1872051", "#trades tbody td"),
    ):
        assert page.texts(f"{where} [title='{exact}']") == [shown]
    for cell in ("1.2345", "9.87654"):
        assert cell in page.texts("#positions tbody td")
    for cell in ("0.001", "187.2051"):
        assert cell in page.texts("#trades tbody td")


def test_all_columns_of_the_trades_are_seen_at_1280_pixels(
    desk: ThreadFeed, open_console: Opener
) -> None:
    page = watched(desk, open_console)
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", NARROW)
    try:
        desk.record_trade(
            {**TRADE, "quantity": "120.5", "fee": "1.2345", "fee_currency": "USD",
             "strategy": "mean_reversion", "agent_id": "momentum-01", "status": "filled"}
        )  # fmt: skip
        page.until(lambda: page.count("#trades tbody tr"), "the trade")
        hidden = page.script(
            "const table = document.querySelector('#trades'), seen = table.parentElement;"
            "return table.scrollWidth - seen.clientWidth"
        )
        assert hidden <= 0
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_many_series_of_a_name_have_their_whole_past(
    desk: ThreadFeed, open_console: Opener
) -> None:
    moment = now()
    for begin in range(0, 180, 60):
        desk.record_metrics(
            [
                {"metric_type": "risk", "name": "var", "value": 1.0, "labels": {"book": f"{book}"},
                 "timestamp": moment - timedelta(seconds=5 * number)}
                for number in range(begin, begin + 60)
                for book in range(70)
            ]
        )  # fmt: skip
    page = watched(desk, open_console)
    page.look_at("#metrics-chart")
    page.until(lambda: drawn(page, "#metrics-chart"), "the lines")
    assert min(trace["points"] for trace in drawn(page, "#metrics-chart")) > 170


def test_what_a_component_says_late_is_shown(desk: ThreadFeed, open_console: Opener) -> None:
    desk.report_system({"component": "feed", "status": "healthy"})
    page = watched(desk, open_console)
    page.until(lambda: "feed" in page.ids("#components tbody tr"), "the one in time")
    late = now() - timedelta(seconds=20)
    desk.report_system({"component": "late", "status": "healthy", "timestamp": late})
    page.until(lambda: "late" in page.ids("#components tbody tr"), "the one that was late")


def test_an_alert_is_read_out_once(desk: ThreadFeed, open_console: Opener) -> None:
    page = watched(desk, open_console)
    page.script(
        "window.announced = 0;"
        "new MutationObserver((changes) => { window.announced += changes.length; })"
        ".observe(document.querySelector('#announcer'), {childList: true});"
    )
    for name in ("a1", "a2"):  # two that read the same are two all the same
        desk.raise_alert({**ALERT, "id": name})
        page.until(lambda name=name: page.count(f"li[data-id={name}]"), "the alert")
    for name in ("a1", "a2"):
        desk.resolve_alert(name)
        page.until(lambda name=name: not page.count(f"li[data-id={name}]"), "it to be done with")
    assert page.script("return window.announced") == 2


def test_the_figures_below_the_curve_are_those_of_the_curve(
    desk: ThreadFeed, open_console: Opener
) -> None:
    start = now() - timedelta(minutes=5)
    for second, total in enumerate(("80000", "96000", "72000")):
        at = start + timedelta(seconds=second)
        desk.update_portfolio({**PORTFOLIO, "total_value": total, "as_of": at})
    page = watched(desk, open_console)
    said = ": +25.00% return, largest drawdown 25.00%"  # the desk has 100,000 now
    page.until(lambda: page.text("#in-range") == said, said)
    # More points than the page keeps: it lets some go, and never the extremes.
    for number in range(1_100):
        desk.update_portfolio({**PORTFOLIO, "total_value": str(100_001 + number % 7)})
    desk.update_portfolio({**PORTFOLIO, "total_value": "120000"})
    said = ": +50.00% return, largest drawdown 25.00%"
    page.until(lambda: page.text("#in-range") == said, said)
