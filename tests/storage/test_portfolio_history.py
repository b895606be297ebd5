"""The portfolio: the current snapshot, its history, and how that is thinned."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alphapulse_api.domain.errors import NotFound, ValidationProblem
from alphapulse_api.domain.times import now
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.portfolio import history as portfolio_history
from tests.engines import T0, Fresh, at
from tests.records import snapshot
from tests.storage.test_history import series


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
