"""What is measured over time: series and their newest points, the portfolio's past."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alphapulse_api.storage.accessors import Accessors
from tests.engines import Fresh, at, point

# -- series --------------------------------------------------------------------------------------


async def test_series_differ_by_type_name_and_labels(store: Accessors) -> None:
    points = [
        point("var", 0, 1.0),
        point("var", 1, 2.0, desk="a"),
        point("var", 2, None, desk="a"),
        point("beta", 3, 4.0),
        {**point("var", 4, 5.0), "metric_type": "trade"},
    ]
    assert await store.metrics.add_points(points) == 5
    series = await store.metrics.list_series()
    assert [(s["metric_type"], s["name"], s["labels"], s["count"]) for s in series] == [
        ("risk", "beta", {}, 1),
        ("risk", "var", {}, 1),
        ("risk", "var", {"desk": "a"}, 2),
        ("trade", "var", {}, 1),
    ]
    assert (series[2]["first"], series[2]["last"]) == (at(1), at(2))
    latest = await store.metrics.get_latest_metrics("risk")
    assert [(p["name"], p["timestamp"], p["value"]) for p in latest] == [
        ("beta", at(3), 4.0), ("var", at(0), 1.0), ("var", at(2), None),
    ]  # fmt: skip
    assert len(await store.metrics.get_latest_metrics()) == 4
    assert len(await store.metrics.get_latest_metrics("risk", "var", {"desk": "a"})) == 1
    assert await store.metrics.get_latest_metrics("agent") == []


async def test_points_are_filtered_by_name_and_by_all_labels_given(store: Accessors) -> None:
    await store.metrics.add_points(
        [
            point("var", 0, 0.0),
            point("var", 0, 1.0, desk="a"),
            point("var", 0, 2.0, desk="a", venue="x"),
            point("beta", 0, 3.0, desk="a"),
        ]
    )

    async def found(**query: Any) -> list[float]:
        rows = await store.metrics.get_metrics("risk", at(0), at(1), **query)
        return [row["value"] for row in rows]

    assert await found(name="var") == [0.0, 1.0, 2.0]
    assert await found(labels={"desk": "a"}) == [1.0, 2.0, 3.0]
    assert await found(labels={"desk": "a", "venue": "x"}) == [2.0]
    assert await found(labels={"desk": "b"}) == []
    assert await found(name="var", labels={"desk": "a"}, aggregation="max") == [1.0, 2.0]


async def test_the_last_of_equal_instants_stands_within_a_batch_and_after_it(
    store: Accessors,
) -> None:
    await store.metrics.add_points([point("var", 0, 1.0), point("var", 0, 2.0)])
    (row,) = await store.metrics.get_metrics("risk", at(0), at(1))
    assert row["value"] == 2.0
    await store.metrics.add_points([point("var", 0, None)])
    (row,) = await store.metrics.get_metrics("risk", at(0), at(1))
    assert row["value"] is None


async def test_a_series_of_a_write_that_failed_is_not_remembered(store: Accessors) -> None:
    naive = at(0).replace(tzinfo=None)
    with pytest.raises(ValueError, match="offset"):
        await store.metrics.add_points([{**point("var", 0, 1.0), "timestamp": naive}])
    assert await store.metrics.list_series() == []
    await store.metrics.add_points([point("var", 0, 1.0)])
    (series,) = await store.metrics.list_series()
    assert series["count"] == 1


# In bursts, and with years of nothing between them.
SECONDS = st.one_of(st.integers(0, 6), st.integers(0, 10**8), st.just(10**8))
END = at(10**8 + 1)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    points=st.lists(st.tuples(st.sampled_from("abc"), SECONDS), max_size=30),
    limit=st.integers(1, 12),
)
async def test_raw_pages_join_to_the_whole(
    fresh: Fresh, points: list[tuple[str, int]], limit: int
) -> None:
    async with fresh() as engine:
        metrics = Accessors(engine, 300, {}).metrics
        await metrics.add_points([point(name, -9, 0.0) for name in "abc"])
        await metrics.add_points([point(name, second, 1.0) for name, second in points])
        found, cursor = [], None
        while True:
            page = await metrics.get_metrics("risk", at(0), END, limit=limit, cursor=cursor)
            found += [(row["timestamp"], row["name"]) for row in page]
            if (cursor := page.next_cursor) is None:
                break
            assert len(page) == limit
        assert found == sorted({(at(second), name) for name, second in points})


# -- portfolio -----------------------------------------------------------------------------------


# Some alike as doubles, some in another order as text than as numbers; some series below zero.
amounts = st.one_of(
    st.integers(0, 50).map(Decimal),
    st.decimals(0, 10**6, allow_nan=False, places=2),
    st.sampled_from(["1" + "0" * 30, "1" + "0" * 29 + "1", "9", "10"]).map(Decimal),
)
series = st.tuples(
    st.dictionaries(st.integers(-10_000, 10_000), amounts, min_size=1, max_size=80),
    st.sampled_from([0, 0, 40]),
).map(lambda drawn: {second: value - drawn[1] for second, value in drawn[0].items()})
