"""No page of a listing of series reads more series than it shows."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from tests.engines import Fresh
from tests.plans import FEW, RARE, ROWS, START, Ask, Recorder, nodes

SERIES_TYPES = [f"type{n:02}" for n in range(10)]


@pytest.fixture
async def series(fresh: Fresh) -> AsyncIterator[Recorder]:
    """Series of several types."""
    async with fresh() as engine:
        await MetricsDataAccessor(engine).add_points(
            [
                {
                    "metric_type": SERIES_TYPES[n % 10],
                    "name": f"name{n % 500:03}",
                    "labels": {"n": str(n), "even": str(n % 2 == 0), "rare": str(n % RARE == 0)},
                    "timestamp": START,
                    "value": 1.0,
                }
                for n in range(ROWS)
            ]
        )
        if engine.takes_arrays:
            await engine.write(lambda transaction: transaction.fetch("ANALYZE"))
        yield Recorder(engine)


async def _deep(ask: Callable[..., Awaitable[Any]], **query: Any) -> Any:
    """A short page behind a long one."""
    page = await ask(**query, limit=ROWS // 40)
    assert page.next_cursor is not None, query
    return await ask(**query, limit=20, cursor=page.next_cursor)


PAGES: dict[str, Ask] = {
    "all series": lambda e: MetricsDataAccessor(e).list_series(limit=20),
    "all series, deep": lambda e: _deep(MetricsDataAccessor(e).list_series),
    "series of a type": lambda e: MetricsDataAccessor(e).list_series(
        metric_type="type07", limit=20
    ),
    "series of a type, deep": lambda e: _deep(
        MetricsDataAccessor(e).list_series, metric_type="type07"
    ),
    "series of a prefix": lambda e: MetricsDataAccessor(e).list_series(name="name40", limit=20),
    "series of a type and a prefix": lambda e: MetricsDataAccessor(e).list_series(
        name="name40", metric_type="type03", limit=20
    ),
    "latest of all": lambda e: MetricsDataAccessor(e).get_latest_metrics(limit=20),
    "latest of a type": lambda e: MetricsDataAccessor(e).get_latest_metrics("type07", limit=20),
    "latest of a type, deep": lambda e: _deep(
        MetricsDataAccessor(e).get_latest_metrics, metric_type="type07"
    ),
    "latest of a label": lambda e: MetricsDataAccessor(e).get_latest_metrics(
        "type06", labels={"even": "True"}, limit=20
    ),
    "latest of a label, deep": lambda e: _deep(
        MetricsDataAccessor(e).get_latest_metrics, metric_type="type06", labels={"even": "True"}
    ),
    "latest of a frequent and a rare label": lambda e: MetricsDataAccessor(e).get_latest_metrics(
        "type00", labels={"even": "True", "rare": "True"}, limit=20
    ),
    "latest of a name": lambda e: MetricsDataAccessor(e).get_latest_metrics(
        "type07", "name407", limit=20
    ),
}


async def test_pages_of_series_read_no_more_than_they_show(series: Recorder) -> None:
    for question, ask in PAGES.items():
        series.asked.clear()
        await ask(series)
        # Without the types, the long page before a deep one, and which label is rare.
        asked = [each for each in series.asked if each[1] and each[1][-1] in (20, 21)]
        assert asked, question
        for sql, args in asked:
            if series.takes_arrays:
                ((plan,),) = await series.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *args)
                for node in nodes(json.loads(plan)[0]["Plan"]):
                    assert node["Node Type"] != "Seq Scan", (question, plan)
                    assert node.get("Rows Removed by Filter", 0) <= FEW, (question, plan)
                    assert node["Actual Rows"] <= args[-1], (question, plan)
            else:
                steps = [row[3] for row in await series.fetch(f"EXPLAIN QUERY PLAN {sql}", *args)]
                how = "SCAN" if question in ("all series", "latest of all") else "SEARCH"
                first = "l USING PRIMARY KEY" if "label" in question else "series USING INDEX"
                assert steps[0].startswith(f"{how} {first}"), steps
                rest = [step for step in steps[1:] if not step.startswith("CORRELATED")]
                assert all(step.startswith("SEARCH") for step in rest), (question, steps)
                if "deep" in question:
                    assert ">?" in steps[0] or ")>(" in steps[0], (question, steps)
