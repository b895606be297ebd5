"""How often the page asks: quick changes cost one reading, and a refusal is waited out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from alphapulse_api.domain.times import now
from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.browser.conftest import Opener

CHANGES = 24
COUNT_ANSWERS = """
    window.answers = [];
    const real = window.fetch;
    window.fetch = async (...given) => {
      const response = await real(...given);
      window.answers.push([new URL(given[0]).pathname, response.status]);
      return response;
    };
"""
CHANGE = """
    const of = (name) => document.querySelector(`#panel-metrics select[name=${name}]`);
    const names = ["range", "aggregation"].map(of);
    for (let n = 0; n < arguments[0]; n++) {
      const select = names[n % 2];
      select.selectedIndex = (select.selectedIndex + 1) % 4;
      select.dispatchEvent(new Event("change"));
    }
"""


def test_quick_changes_of_the_metrics_cost_one_reading(
    desk: ThreadFeed, open_console: Opener
) -> None:
    start = now() - timedelta(minutes=5)
    for name in ("var", "beta"):
        desk.record_metrics(
            [
                {"metric_type": "risk", "name": name, "value": 1, "timestamp": start + second}
                for second in (timedelta(seconds=number) for number in range(60))
            ]
        )
    page = open_console(desk.url)
    page.login("vera", PASSWORD)
    page.until_live()
    page.press("#metric-names input[value=var]")  # beside the first one
    page.look_at("#metrics-chart")
    page.until(lambda: page.count("#metrics-chart .scatterlayer .trace") == 2, "both lines")
    page.script(COUNT_ANSWERS)
    page.script(CHANGE, CHANGES)
    asked = "return window.answers.filter(([path]) => path.endsWith('/api/metrics/risk')).length"
    # Of each series the newest points, and the aggregates before them.
    page.until(lambda: page.script(asked) == 4, "the reading")
    assert page.script("return window.answers.every(([, status]) => status === 200)")


def test_a_refusal_is_waited_out(desk: ThreadFeed, open_console: Opener) -> None:
    page = open_console(desk.url)
    waited = page.module(
        """
        const { Api } = await import("./api.js");
        const begin = performance.now();
        let calls = 0;
        const json = { headers: { "Content-Type": "application/json" } };
        const refusal = { status: 429, headers: { "Retry-After": "1" } };
        window.fetch = async () =>
          (calls++ ? new Response("[1]", json) : new Response("{}", refusal));
        const { data } = await new Api({ token: async () => "any" }).get("api/agents");
        return [data, calls, performance.now() - begin >= 1000];
        """
    )
    assert waited == [[1], 2, True]


def test_what_was_replaced_is_cancelled(desk: ThreadFeed, open_console: Opener) -> None:
    page = open_console(desk.url)
    page.login("vera", PASSWORD)
    page.until_live()
    page.script(
        """
        window.cancelled = 0;
        const real = window.fetch;
        window.fetch = (url, options) => {
          if (!String(url).includes("/api/trades")) return real(url, options);
          window.asked = (window.asked ?? 0) + 1;
          return new Promise((_, refuse) => options.signal.addEventListener("abort", () => {
            window.cancelled++;
            refuse(options.signal.reason);
          }));
        };
        """
    )
    change = "document.querySelector('#trade-filters').dispatchEvent(new Event('change'))"
    for asked in (1, 2):
        page.script(change)
        page.until(lambda it=asked: page.script("return window.asked") == it, "the request")
    page.until(lambda: page.script("return window.cancelled") == 1, "the first one to be cancelled")
