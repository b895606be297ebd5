"""Series that retention has emptied are removed, beside processes that remember them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from alphapulse_api.config import RetentionConfig
from alphapulse_api.domain.series_limits import TooManySeries
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from alphapulse_api.storage.metrics.series import SeriesCatalogue
from alphapulse_api.storage.retention import forget
from tests.engines import T0, Fresh, at, connected, point
from tests.postgres import Postgres

DAY = 86400
KEPT = RetentionConfig(metrics=float(DAY), rollups=float(DAY))
LATER = T0 + timedelta(days=30)


async def _count(engine: Engine) -> int:
    ((count,),) = await engine.fetch("SELECT series FROM series_version")
    ((stored,),) = await engine.fetch("SELECT count(*) FROM series")
    ((spans,),) = await engine.fetch("SELECT count(*) FROM series_spans")
    assert count == stored == spans
    return int(count)


async def test_a_series_without_points_and_rollups_is_removed(engine: Engine) -> None:
    metrics = MetricsDataAccessor(engine)
    await metrics.add_points([point("old", 0, 1.0), point("both", 0, 1.0)])
    await metrics.add_points([point("both", 30 * DAY, 2.0), point("new", 30 * DAY, 3.0)])
    assert await _count(engine) == 3
    assert (await forget(engine, KEPT, LATER))["series"] == 1
    assert await _count(engine) == 2
    assert [row["name"] for row in await metrics.list_series()] == ["both", "new"]


async def test_a_series_that_has_rollups_stays(engine: Engine) -> None:
    metrics = MetricsDataAccessor(engine)
    await metrics.add_points([point("old", 0, 1.0)])
    await forget(engine, RetentionConfig(metrics=float(DAY)), LATER)
    assert [row["count"] for row in await metrics.list_series()] == [1]


async def test_what_processes_remember_of_removed_series_does_no_harm(fresh: Fresh) -> None:
    async with fresh() as engine:
        one, other = MetricsDataAccessor(engine), MetricsDataAccessor(engine)
        for metrics in (one, other):  # both remember all, to write and to read
            await metrics.add_points([point(name, 0, 1.0) for name in ("a", "b", "c")])
            assert len(await metrics.get_metrics("risk", at(-1), at(9))) == 3
        await forget(engine, KEPT, LATER)
        assert await _count(engine) == 0
        new = 30 * DAY
        # On SQLite the numbers of a, b and c go to others.
        await other.add_points([point(name, new, 2.0) for name in ("c", "x", "a")])
        await one.add_points([point(name, new + 1, 3.0) for name in ("a", "b", "c", "x")])
        for metrics in (one, other, MetricsDataAccessor(engine)):
            rows = await metrics.get_metrics("risk", at(new), at(new + 9))
            assert sorted((row["name"], row["value"]) for row in rows) == [
                ("a", 2.0), ("a", 3.0), ("b", 3.0), ("c", 2.0), ("c", 3.0), ("x", 2.0), ("x", 3.0),
            ]  # fmt: skip
        assert await _count(engine) == 4


async def test_readers_forget_removed_series(engine: Engine) -> None:
    metrics, catalogue = MetricsDataAccessor(engine), SeriesCatalogue(engine)
    await metrics.add_points([point("old", 0, 1.0), point("new", 30 * DAY, 1.0)])
    assert len(await catalogue.find("risk", None, None)) == 2
    await forget(engine, KEPT, LATER)
    (series,) = (await catalogue.find("risk", None, None)).values()
    assert series.name == "new"


async def test_writers_beside_the_removal_lose_no_point(postgres: Postgres) -> None:
    url = await postgres.emptied()
    async with connected(url) as one, connected(url) as other, connected(url) as third:
        names = [f"m{n}" for n in range(40)]
        stores = [MetricsDataAccessor(engine) for engine in (one, other)]
        for turn in range(8):
            # The series are empty when the writers come.
            await stores[turn % 2].add_points([point(name, turn, 1.0) for name in names])
            new = 30 * DAY + turn
            await asyncio.gather(
                *(
                    store.add_points([point(name, new, 5.0) for name in names[at::2]])
                    for at, store in enumerate(stores)
                ),
                forget(third, KEPT, LATER),
            )
            rows = await stores[0].get_metrics("risk", at(new), at(new + 1), limit=1000)
            assert sorted(row["name"] for row in rows) == sorted(names)
            await forget(third, KEPT, LATER + timedelta(days=60))
        assert await _count(third) == 0


@pytest.mark.parametrize("apart", [False, True])
async def test_more_series_than_the_bound_are_refused_as_a_whole(
    engine: Engine, apart: bool
) -> None:
    metrics = MetricsDataAccessor(engine, max_series=5)
    await metrics.add_points([point(f"m{n}", 0, 1.0) for n in range(3)])
    if apart:  # another process created them
        metrics = MetricsDataAccessor(engine, max_series=5)
    with pytest.raises(TooManySeries, match="3 series exist, and 5 are allowed") as caught:
        await metrics.add_points([point(f"m{n}", 1, 1.0) for n in range(6)])
    assert {key[1] for key in caught.value.keys} == {"m3", "m4", "m5"}
    assert [row["count"] for row in await metrics.list_series()] == [1, 1, 1]
    await metrics.add_points([point(f"m{n}", 1, 1.0) for n in range(5)])
    await metrics.add_points([point(f"m{n}", 2, 1.0) for n in range(5)])
    assert await _count(engine) == 5
    # One that is refused refuses none of those that are stored with it.
    outcomes = await asyncio.gather(
        *(metrics.add_points([point(f"m{n}", 3, 1.0)]) for n in range(4, 7)),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [int, TooManySeries, TooManySeries]


async def test_removed_series_make_room(engine: Engine) -> None:
    metrics = MetricsDataAccessor(engine, max_series=2)
    await metrics.add_points([point("a", 0, 1.0), point("b", 0, 1.0)])
    await forget(engine, KEPT, LATER)
    await metrics.add_points([point("c", 30 * DAY, 1.0), point("d", 30 * DAY, 1.0)])
    assert await _count(engine) == 2
