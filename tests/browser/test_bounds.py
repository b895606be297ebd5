"""What the page keeps has an end: nodes and listeners, buckets, and how often it asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.asking import ALERT, TRADE
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.browser.conftest import Opener
    from tests.browser.page import Page

ALERTS, TRADES = 210, 510  # more than are shown


def fill(desk: ThreadFeed, page: Page, round_: str) -> None:
    """More alerts and trades than are shown."""
    for number in range(ALERTS):
        desk.raise_alert({**ALERT, "id": f"{round_}-{number}"})
    desk.record_trades([{**TRADE, "id": f"{round_}-{number}"} for number in range(TRADES)])
    last = (f"{round_}-{ALERTS - 1}", f"{round_}-{TRADES - 1}")
    page.until(lambda: page.count(f"#alerts [data-id='{last[0]}']"), "the last alert")
    page.until(lambda: page.count(f"#trades [data-id='{last[1]}']"), "the last trade")
    page.until(lambda: page.count("#alerts li") == 200, "as many alerts as are shown")
    page.until(lambda: page.count("#trades tbody tr") == 500, "as many trades as are shown")


def held(page: Page, what: str) -> float:
    """How many nodes or listeners the page holds, without those that only wait to be collected."""
    page.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    answer: dict[str, Any] = page.driver.execute_cdp_cmd("Performance.getMetrics", {})
    return next(float(metric["value"]) for metric in answer["metrics"] if metric["name"] == what)


def test_nodes_and_listeners_are_those_of_what_is_shown(
    desk: ThreadFeed, open_console: Opener
) -> None:
    page = open_console(desk.url)
    page.login("olga", PASSWORD)
    page.until_live()
    page.driver.execute_cdp_cmd("Performance.enable", {})
    fill(desk, page, "first")
    fill(desk, page, "second")
    listeners, nodes = held(page, "JSEventListeners"), held(page, "Nodes")
    fill(desk, page, "third")
    # Not at once: a chart that is being drawn holds on to what it was.
    page.until(
        lambda: held(page, "JSEventListeners") <= listeners + 10, "no more listeners than before"
    )
    page.until(lambda: held(page, "Nodes") <= 1.02 * nodes, "no more nodes than before")


def test_a_retry_after_date_is_waited_for(desk: ThreadFeed, open_console: Opener) -> None:
    page = open_console(desk.url)
    wait = page.module(
        """
        const { request } = await import("./api.js");
        window.fetch = async () => new Response("{}", {
          status: 503, headers: { "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT" } });
        return request("api/agents").catch((error) => String(error.retryAfter));
        """,
    )
    assert wait == "0"


def test_every_page_of_an_answer_is_asked_for(desk: ThreadFeed, open_console: Opener) -> None:
    page = open_console(desk.url)
    asked = page.module(
        """
        const { Api } = await import("./api.js");
        const asked = [];
        window.fetch = async (url) => {
          asked.push(url.search);
          const link = `<${url.pathname}?limit=1&cursor=${asked.length}>; rel="next"`;
          const headers = { Link: link, "Content-Type": "application/json" };
          return new Response("[]", { headers });
        };
        const api = new Api({ token: async () => "any" });
        await api.getAll("api/system", { limit: 1 }, 4);
        return asked;
        """,
    )
    assert asked == ["?limit=1", *(f"?limit=1&cursor={n}" for n in (1, 2, 3))]


def test_all_of_a_young_history_is_asked_for_again_when_it_has_grown(
    desk: ThreadFeed, open_console: Opener
) -> None:
    point = {"metric_type": "risk", "name": "var", "value": 1.0}
    desk.record_metrics(point)
    page = open_console(desk.url)
    page.login("vera", PASSWORD)
    page.until_live()
    page.look_at("#metrics-chart")
    page.script(
        "const it = document.querySelector('#panel-metrics select[name=range]');"
        "it.value = ''; it.dispatchEvent(new Event('change'))"
    )
    note = "#metrics-note"
    page.until(lambda: "buckets of 1 s" in page.text(note), "buckets of a second")
    # An hour passes at once, until the server sends the time again.
    asked = page.requests("/api/metrics/risk")
    page.script("const real = Date.now; Date.now = () => real() + 3_600_000")
    desk.record_metrics(point)
    page.until(lambda: page.requests("/api/metrics/risk") > asked, "the history anew", 25)
