"""Names and texts that would like to be markup: shown as they are, in tables and in charts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from alphapulse_api.domain.times import now
from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.asking import SIGNAL, TRADE
from tests.browser.panels import PANELS
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.browser.conftest import Opener

# Of HTML, and of the small markup that plotly.js reads in titles, legends and hovers.
IMG = "<img src=x onerror=\"window.owned='{}'\">"
LINK = "<a href=\"javascript:window.owned='link'\">{}</a>"
SCRIPT = "</script><script>window.owned='{}'</script>"


def test_hostile_strings_are_text_everywhere(desk: ThreadFeed, open_console: Opener) -> None:
    symbol = "<b>X</b>"
    texts = {
        "alert": IMG.format("title"),
        "message": SCRIPT.format("message"),
        "agent": "<img>agent",  # ids are words by contract
        "component": IMG.format("component"),
        "metric": LINK.format("metric"),
    }
    desk.record_trade(
        {**TRADE, "symbol": symbol, "strategy": texts["alert"], "agent_id": texts["agent"]}
    )
    desk.record_trade({**TRADE, "symbol": texts["metric"]})
    desk.raise_alert(
        {
            "title": texts["alert"],
            "message": texts["message"],
            "source": texts["metric"],
            "tags": [SCRIPT.format("tag")],
        }
    )
    desk.update_agent(
        texts["agent"],
        {"agent_type": SCRIPT.format("type"), "state": "active", "metrics": {texts["metric"]: 1}},
    )
    desk.record_signal(texts["agent"], {**SIGNAL, "symbol": symbol})
    desk.report_system(
        {
            "component": texts["component"],
            "status": "error",
            "message": SCRIPT.format("system"),
        }
    )
    holding = {"symbol": symbol, "quantity": "1", "current_price": "9", "value": "999"}
    desk.update_portfolio(
        {
            "total_value": "1004",
            "cash": "1",
            "performance": {texts["metric"]: 0.5},
            "positions": [holding, {**holding, "symbol": texts["metric"]}],
        }
    )
    point = {"metric_type": "risk", "value": 1.0}
    label = {"labels": {IMG.format("key"): SCRIPT.format("label")}}
    desk.record_metrics(
        [
            {**point, "name": IMG.format("name"), **label},
            # So many that the pointer is near one, wherever it is.
            *(
                {**point, "name": texts["metric"], "timestamp": now() - timedelta(seconds=5 * n)}
                for n in range(120)
            ),
        ]
    )
    page = open_console(desk.url)
    page.login("olga", PASSWORD)
    page.until_live()
    page.until_filled()
    page.until(lambda: texts["alert"] in page.text("#alerts li"), "the alert's title, as it is")
    assert texts["message"] in page.text("#alerts li")
    assert symbol in page.text("#trades tbody")
    assert symbol in page.text("#positions tbody")
    assert texts["agent"] in page.text("#agents tbody")
    assert texts["component"] in page.text("#components tbody")
    assert texts["metric"] in page.text("#metric-names")
    page.press("li[data-status=active] button[data-action=acknowledge]")
    page.until(lambda: texts["alert"] in page.text("#alert-dialog"), "the title in the question")
    for panel in PANELS:
        page.look_at(f"#panel-{panel}")
    page.until(page.settled, "the charts to be drawn")
    page.press("#alert-dialog button[name=cancel]")
    for chart, shown in (("#metrics-chart", texts["metric"][:9]), ("#trades-chart", "buy")):
        page.look_at(chart)
        page.point_at(f"{chart} .nsewdrag")
        page.until(
            lambda c=chart, t=shown: t in page.text(f"{c} .hoverlayer"), f"{chart} to show it"
        )
        assert not page.count(".hoverlayer a, .hoverlayer b, .hoverlayer tspan[style*=bold]")
    assert page.script("return window.owned ?? null") is None
    assert not page.count("main img, main script, dialog img, dialog script")
    assert not page.count(".chart a, .chart b, .chart [href], .chart tspan[style*=bold]")
    assert not page.count("[onerror], a[href^='javascript:']")
