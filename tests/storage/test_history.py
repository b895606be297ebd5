"""What is measured over time: series and their newest points, the portfolio's past, forgetting."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alphapulse_api.config import RetentionConfig
from alphapulse_api.domain.errors import NotFound, ValidationProblem
from alphapulse_api.domain.times import now
from alphapulse_api.storage import retention
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.retention import forget
from alphapulse_api.storage.tables import portfolio_history
from tests.engines import T0, Fresh, at, point
from tests.storage.test_accessors import alert, sample, signal, trade


@pytest.fixture
def store(engine: Engine) -> Accessors:
    return Accessors(engine, 300, {})


def snapshot(seconds: float, value: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "total_value": Decimal(value),
        "cash": Decimal(0),
        "currency": "USD",
        "positions": [],
        "performance": {},
        "as_of": at(seconds),
        **fields,
    }


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
        ("risk", "var", {"desk": "a"}, 2),
        ("risk", "var", {}, 1),
        ("trade", "var", {}, 1),
    ]
    assert (series[1]["first"], series[1]["last"]) == (at(1), at(2))
    latest = await store.metrics.get_latest_metrics("risk")
    assert [(p["name"], p["timestamp"], p["value"]) for p in latest] == [
        ("beta", at(3), 4.0), ("var", at(2), None), ("var", at(0), 1.0),
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


async def test_there_is_no_portfolio_before_the_first(store: Accessors) -> None:
    with pytest.raises(NotFound, match="no portfolio yet"):
        await store.portfolio.get_portfolio()


async def test_the_newest_snapshot_is_current_whatever_comes_late(store: Accessors) -> None:
    assert (await store.portfolio.set_portfolio(snapshot(10, 10)))[1] == 1
    assert (await store.portfolio.set_portfolio(snapshot(5, 5)))[1] is None
    for _ in range(2):
        again, revision = await store.portfolio.set_portfolio(snapshot(10, 11))
        assert revision == 2, "the same again is no other"
    shown = await store.portfolio.get_portfolio()
    assert shown == again
    assert "history" not in shown
    ranged = await store.portfolio.get_portfolio(True, start_time=at(5), end_time=at(10))
    assert [p["total_value"] for p in ranged["history"]] == [5]
    assert ranged["total_value"] == 11
    nothing = await store.portfolio.get_portfolio(True, start_time=at(50))
    assert nothing["history"] == []


async def test_a_portfolio_grows_stale(engine: Engine) -> None:
    portfolio = Accessors(engine, 60, {}).portfolio
    await portfolio.set_portfolio(snapshot(0, as_of=now() - timedelta(seconds=50)))
    assert (await portfolio.get_portfolio())["stale"] is False
    strict = Accessors(engine, 40, {}).portfolio
    assert (await strict.get_portfolio())["stale"] is True


async def test_positions_survive_exactly(store: Accessors) -> None:
    position = {
        "symbol": "BTC",
        "side": "long",
        "quantity": Decimal("0.10"),
        "entry_price": None,
        "current_price": Decimal("1" * 30 + ".5"),
        "value": Decimal("-1.00"),
        "weight": 0.1,
        "unrealized_pnl": None,
        "unrealized_pnl_pct": None,
        "realized_pnl": Decimal("0"),
        "opened_at": T0,
    }
    await store.portfolio.set_portfolio(snapshot(0, positions=[position]))
    (kept,) = (await store.portfolio.get_portfolio())["positions"]
    assert kept == position
    assert str(kept["quantity"]) == "0.10"


def falls(values: Sequence[Decimal]) -> tuple[Fraction, Fraction]:
    """The largest drawdown, in proportion and in money."""
    peak, relative, absolute = values[0], Fraction(0), Fraction(0)
    for value in values:
        peak = max(peak, value)
        absolute = max(absolute, Fraction(peak) - Fraction(value))
        if peak > 0:
            relative = max(relative, 1 - Fraction(value) / Fraction(peak))
    return relative, absolute


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


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    stored=series,
    max_points=st.integers(2, 40),
    piece=st.integers(1, 30),
)
async def test_a_thinned_history_keeps_what_returns_and_drawdowns_are_computed_from(
    fresh: Fresh, stored: dict[int, Decimal], max_points: int, piece: int
) -> None:
    async with fresh() as engine:
        portfolio = Accessors(engine, 300, {}).portfolio
        for second, value in stored.items():
            await portfolio.set_portfolio(snapshot(second, total_value=value))
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(portfolio_history, "PIECE", piece)
            shown = await portfolio.get_portfolio(include_history=True, max_points=max_points)
    whole = [(at(second), value) for second, value in sorted(stored.items())]
    kept = [(p["timestamp"], p["total_value"]) for p in shown["history"]]
    if len(whole) <= max_points:
        assert kept == whole
        return
    assert len(kept) <= max_points
    assert kept == [row for row in whole if row in kept]
    assert (kept[0], kept[-1]) == (whole[0], whole[-1])
    before, after = ([value for _, value in rows] for rows in (whole, kept))
    # Below zero a fall in proportion is larger from a smaller peak.
    if max_points >= 4 and min(before) >= 0:
        assert falls(after)[0] == falls(before)[0]
    if max_points >= 6:
        assert (min(after), max(after)) == (min(before), max(before))
    if max_points >= 8:
        assert falls(after)[1] == falls(before)[1]


async def test_each_stretch_of_a_thinned_history_shows_its_extremes(store: Accessors) -> None:
    # 300 snapshots in three hours; in each, two that stand out by a moment.
    for n in range(300):
        value = 1000 + {40: 50, 45: -60}.get(n % 100, n % 7)
        await store.portfolio.set_portfolio(snapshot(36 * n, value))
    shown = await store.portfolio.get_portfolio(include_history=True, max_points=20)
    assert len(shown["history"]) <= 20
    values = [int(p["total_value"]) for p in shown["history"]]
    assert (values.count(1050), values.count(940)) == (3, 3)
    # A range is thinned as if there were no other.
    ranged = await store.portfolio.get_portfolio(
        True, start_time=at(36 * 100), end_time=at(36 * 200), max_points=20
    )
    values = [int(p["total_value"]) for p in ranged["history"]]
    assert (values.count(1050), values.count(940)) == (1, 1)
    assert ranged["history"][0]["timestamp"] == at(36 * 100)
    assert ranged["history"][-1]["timestamp"] == at(36 * 199)


async def test_an_empty_range_of_history_is_refused(store: Accessors) -> None:
    with pytest.raises(ValidationProblem, match="start_time"):
        await store.portfolio.get_portfolio(True, start_time=at(1), end_time=at(0))


# -- forgetting ----------------------------------------------------------------------------------


async def test_the_old_go_in_batches_and_what_still_matters_stays(
    engine: Engine, store: Accessors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    for n in range(10):
        await store.metrics.add_points([point(m, -60 * n, 1.0) for m in ("var", "beta")])
        await store.trades.add_trades([trade(f"t{n}", n)])
        await store.alerts.add_alert(alert(f"a{n}", n))
        await store.agents.add_signal(signal(f"s{n}", n))
        await store.system.add_sample(sample("db", n))
        await store.portfolio.set_portfolio(snapshot(n))
    await store.alerts.resolve_alert("a1")
    await store.alerts.resolve_alert("a9")
    kept = RetentionConfig(*[60.0] * 7)
    gone = await forget(engine, kept, at(60 + 8))
    assert gone == {
        "metrics": 18, "rollups": 0, "trades": 8, "alerts": 1, "portfolio": 8, "signals": 8,
        "system": 8,
    }  # fmt: skip
    assert len(await store.metrics.get_metrics("risk", at(-999), at(9))) == 2
    assert [t["id"] for t in await store.trades.get_trades()] == ["t9", "t8"]
    assert len(await store.alerts.get_alerts()) == 9
    gone = await forget(engine, kept, at(100_000))
    assert gone["metrics"] == 2
    assert gone["rollups"] == 30  # of each series ten minutes, twice two, and a day
    assert gone["alerts"] == 1
    assert gone["portfolio"] == 1
    assert (await store.portfolio.get_portfolio(True))["history"][0]["timestamp"] == at(9)
    assert await store.metrics.list_series() == []
    assert await store.metrics.get_latest_metrics() == []
    # A forgotten series comes back under the id that is remembered of it.
    await store.metrics.add_points([point("var", 0, 1.0)])
    assert len(await store.metrics.list_series()) == 1


async def test_what_has_no_retention_stays_for_ever(engine: Engine, store: Accessors) -> None:
    await store.trades.add_trades([trade("t1")])
    await store.system.add_sample(sample("db"))
    assert await forget(engine, RetentionConfig(system=1.0), at(10**9)) == {"system": 1}
    assert len(await store.trades.get_trades()) == 1
