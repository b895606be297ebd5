"""Lists go from driver rows to bytes: the same bytes as by way of what the accessors' rows show."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from alphapulse_api.http.codecs.formats import FORMATS, encoder, whole
from alphapulse_api.http.route import Row
from alphapulse_api.http.route_table import ROWS
from alphapulse_api.runtime.slices import finish
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.page import Page
from tests.engines import at
from tests.records import alert, sample, signal, trade

ENDS = {
    "start_time": datetime(1, 1, 1, tzinfo=UTC),
    "end_time": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
}
TIMES = [
    ENDS["start_time"],
    datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    datetime(987, 6, 5, 4, 3, 2, 100000, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    at(0),
    at(0.000001),
    datetime(9999, 12, 31, 23, 59, 59, 999998, tzinfo=UTC),
]
TEXTS = [
    '"quoted", \\ and\ttabbed',
    "line\nand\r\nline",
    "Ω 😀 \u2028 \x7f é",
    "",
    "a,b",
    "=1+1",
    "{}",
]
AMOUNTS = ["1.50", "0", "-0.00", "1E+3", "1E-20", "9" * 38, "-0.00000001"]
NUMBERS = [0.0, -0.0, 1e16, 5e-324, 1.7e308, 0.1, None]
DOCUMENTS = [
    {},
    {"a": [1, 2.5, None, True, {"ü": 'x"y'}]},
    {"big": 2**53, "small": -1e-7, "long": 1e22},
    {"nothing": None},
    {"": "\\"},
    {"n": float("nan")},
    {"z": 1, "a": 2},
]


@pytest.fixture
async def store(engine: Engine) -> Accessors:
    """A store with the ends of every kind of value in it."""
    store = Accessors(engine, 300.0, {})
    labels = [{}, {"venue": 'a"b'}, {"a": "é", "b": "\n"}]
    points = [
        {
            "metric_type": "risk",
            "name": TEXTS[n] or "empty",
            "timestamp": time,
            "value": NUMBERS[n],
            "labels": labels[n % 3],
        }
        for n, time in enumerate(TIMES)
    ]
    await store.metrics.add_points(points)
    trades = []
    for n, time in enumerate(TIMES):
        text, amount, document = TEXTS[n], Decimal(AMOUNTS[n]), DOCUMENTS[n]
        details = {"metadata": document, "executed_at": time}
        trades.append(trade(f"t{n}", symbol=text, price=amount, value=amount, fee=None, **details))
        raised = alert(f"a{n}", title=text, metric_value=NUMBERS[n], created_at=time, tags=TEXTS)
        await store.alerts.add_alert({**raised, "metadata": document})
        sent = signal(f"s{n}", target_price=amount, timestamp=time, metadata=document)
        await store.agents.add_signal({**sent, "agent_id": "m1"})
        measured = sample(text, timestamp=time, metrics=document, message=text)
        await store.system.add_sample(measured)
    await store.trades.add_trades(trades)
    await store.alerts.acknowledge_alert("a1", "ann", "seen")
    await store.alerts.resolve_alert("a2")
    return store


def route(path: str) -> Row:
    (row,) = (row for row in ROWS if (row.method, row.path) == ("GET", path))
    return row


LISTINGS: Mapping[str, Any] = {
    "/api/trades": lambda store: store.trades.get_trades(**ENDS),
    "/api/alerts": lambda store: store.alerts.get_alerts(**ENDS),
    "/api/agents/{id}/signals": lambda store: store.agents.get_signals("m1", **ENDS),
    "/api/system": lambda store: store.system.get_system(**ENDS),
    "/api/metrics/{metric_type}": lambda store: store.metrics.get_metrics("risk", **ENDS),
}


@pytest.mark.parametrize("path", LISTINGS)
async def test_bytes_are_those_of_the_rows_that_are_looked_at(store: Accessors, path: str) -> None:
    page = await LISTINGS[path](store)
    assert len(page) == len(TIMES)
    await _agree(route(path), page)


async def test_agents_with_their_signals_have_the_same_bytes_too(store: Accessors) -> None:
    page = await store.agents.get_agents(**ENDS)
    assert sum(len(agent["signals"]) for agent in page) > 0
    await _agree(route("/api/agents"), page)


async def test_the_newest_points_have_the_same_bytes_too(store: Accessors) -> None:
    page = await store.metrics.get_latest_metrics("risk")
    assert len(page) == len(TIMES)
    await _agree(route("/api/metrics/{metric_type}/latest"), page)


@pytest.mark.parametrize("aggregation", ["avg", "min,count,first,p95,stddev"])
async def test_buckets_have_the_same_bytes_too(store: Accessors, aggregation: str) -> None:
    query = {**ENDS, "aggregation": aggregation, "max_points": 11_000}
    page = await store.metrics.get_metrics("risk", **query)
    assert len(page) >= len(TIMES) - 2
    await _agree(route("/api/metrics/{metric_type}"), page, aggregation=aggregation)


async def _agree(row: Row, page: Page, **query: Any) -> None:
    looked_at = list(page)
    assert page == looked_at
    for form in FORMATS:
        assert finish(whole(encoder(form, row, query), page)) == finish(
            whole(encoder(form, row, query), looked_at)
        )
