"""The bound of the series that one API key may make."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from alphapulse_api.config import RetentionConfig
from alphapulse_api.domain.series_limits import OWNER, TooManySeries
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from alphapulse_api.storage.metrics.series import AHEAD
from alphapulse_api.storage.retention import forget
from tests.engines import T0, point

DAY = 86400
BOUND = 5


@contextmanager
def by(owner: str | None) -> Iterator[None]:
    """Calls on behalf of an API key."""
    token = OWNER.set(owner)
    try:
        yield
    finally:
        OWNER.reset(token)


def _points(prefix: str, count: int, seconds: float = 0) -> list[dict[str, Any]]:
    return [point(f"{prefix}{number}", seconds, 1.0) for number in range(count)]


async def _names(metrics: MetricsDataAccessor) -> set[str]:
    return {row["name"] for row in await metrics.list_series()}


@pytest.fixture
def metrics(engine: Engine) -> MetricsDataAccessor:
    return MetricsDataAccessor(engine, max_of_key=BOUND)


async def test_a_key_is_refused_beyond_its_bound_and_others_are_not(
    metrics: MetricsDataAccessor,
) -> None:
    with by("ann"):
        await metrics.add_points(_points("a", BOUND - 1))
        with pytest.raises(TooManySeries) as refused:
            await metrics.add_points(_points("b", 2))
        assert refused.value.keys == {("risk", "b0", "{}"), ("risk", "b1", "{}")}
        assert refused.value.errors[0]["detail"] == (
            "2 new series would exceed database.max_series_per_key: 4 series of this API key "
            "exist, and 5 are allowed. Use labels of fewer values, or raise the limit."
        )
        await metrics.add_points([*_points("a", BOUND - 1, 1), *_points("b", 1)])
    with by("bob"):
        await metrics.add_points([*_points("a", BOUND - 1, 2), *_points("c", BOUND)])
    with by(None):
        await metrics.add_points(_points("host", 2 * BOUND))
    expected = {f"a{n}" for n in range(BOUND - 1)} | {"b0"} | {f"c{n}" for n in range(BOUND)}
    assert await _names(metrics) == expected | {f"host{n}" for n in range(2 * BOUND)}


async def test_callers_that_share_a_transaction_do_not_share_the_refusal(
    metrics: MetricsDataAccessor,
) -> None:
    async def add(owner: str | None, prefix: str, count: int) -> None:
        with by(owner):
            await metrics.add_points(_points(prefix, count))

    results = await asyncio.gather(
        add("ann", "a", BOUND + 1),
        add("bob", "b", BOUND),
        add(None, "c", 2 * BOUND),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [TooManySeries, type(None), type(None)]
    names = await _names(metrics)
    assert {name[0] for name in names} == {"b", "c"}
    assert len(names) == 3 * BOUND


async def test_series_that_are_created_ahead_count(engine: Engine) -> None:
    metrics = MetricsDataAccessor(engine, max_of_key=AHEAD + 2)
    with by("ann"):
        with pytest.raises(TooManySeries):
            await metrics.add_points(_points("a", AHEAD + 3))
        assert await _names(metrics) == set()
        await metrics.add_points(_points("a", AHEAD + 1))
        await metrics.add_points(_points("b", 1))
        with pytest.raises(TooManySeries):
            await metrics.add_points(_points("c", 1))


async def test_series_that_retention_removed_count_no_longer(
    engine: Engine, metrics: MetricsDataAccessor
) -> None:
    kept = RetentionConfig(metrics=float(DAY), rollups=float(DAY))
    with by("ann"):
        await metrics.add_points(_points("a", BOUND))
        assert (await forget(engine, kept, T0 + timedelta(days=30)))["series"] == BOUND
        await metrics.add_points(_points("b", BOUND, 30 * DAY))
        with pytest.raises(TooManySeries):
            await metrics.add_points(_points("c", 1, 30 * DAY))
