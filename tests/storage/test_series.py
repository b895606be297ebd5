"""The catalogue of series: what matches, and what other processes make meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alphapulse_api.domain.series_limits import TooManySeries
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.metrics import series as catalogue
from alphapulse_api.storage.metrics import writer
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from alphapulse_api.storage.metrics.series import SeriesCatalogue
from tests.engines import Fresh, connected, point
from tests.postgres import Postgres

words = st.sampled_from(["a", "b", "é"])
labels = st.dictionaries(st.sampled_from(["desk", "venue"]), words)
series = st.tuples(st.sampled_from(["risk", "trade"]), words, labels)


def named(metric_type: str, name: str, labels: dict[str, str]) -> dict[str, Any]:
    return {**point(name, 0, 1.0, **labels), "metric_type": metric_type}


@pytest.mark.parametrize("remembered", [100, 2])
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(
    made=st.lists(series, min_size=1, max_size=8),
    asked=st.lists(
        st.tuples(st.sampled_from([None, "risk", "trade"]), st.one_of(st.none(), words), labels),
        max_size=6,
    ),
)
async def test_what_matches_is_found_remembered_or_not(
    made: list[Any], asked: list[Any], remembered: int, fresh: Fresh
) -> None:
    async with fresh() as engine:
        catalogue = SeriesCatalogue(engine, remembered)
        metrics = MetricsDataAccessor(engine)
        known: list[Any] = []
        for each in made:
            await metrics.add_points([named(*each)])
            known += [each] * (each not in known)
            for metric_type, name, wanted in asked:
                found = await catalogue.find(metric_type, name, wanted)
                expected = [
                    s
                    for s in known
                    if metric_type in (None, s[0])
                    and name in (None, s[1])
                    and wanted.items() <= s[2].items()
                ]
                got = sorted(
                    (s.metric_type, s.name, sorted(s.labels.items())) for s in found.values()
                )
                assert got == sorted((s[0], s[1], sorted(s[2].items())) for s in expected)


async def test_those_who_ask_first_at_once_cost_one_reading_in_pieces(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await MetricsDataAccessor(engine).add_points([point(f"m{n}", 0, 1.0) for n in range(25)])
    monkeypatch.setattr("alphapulse_api.storage.metrics.series.PIECE", 10)
    catalogue = SeriesCatalogue(engine)
    fetch, pieces = engine.fetch, []

    async def counted(sql: str, *args: Any) -> Any:
        rows = await fetch(sql, *args)
        if "ORDER BY id" in sql:
            pieces.append(len(rows))
        return rows

    monkeypatch.setattr(engine, "fetch", counted)
    found = await asyncio.gather(*(catalogue.find("risk", None, None) for _ in range(9)))
    assert [len(each) for each in found] == [25] * 9
    assert pieces == [10, 10, 5]


async def test_a_series_of_another_process_is_found_at_once(postgres: Postgres) -> None:
    url = await postgres.emptied()
    async with connected(url) as one, connected(url) as other:
        stores = [MetricsDataAccessor(engine) for engine in (one, other)]
        for n in range(40):
            # Each makes one of its own, and both make the same one at the same time.
            calls = [
                store.add_points([point(f"m{n}-{i}", 0, 1.0), point(f"both{n}", 0, 1.0)])
                for i, store in enumerate(stores)
            ]
            await asyncio.gather(*calls)
            for store in stores:
                assert len(await store.get_latest_metrics("risk")) == 3 * (n + 1)


async def test_what_is_known_is_not_read_again(engine: Engine) -> None:
    metrics = MetricsDataAccessor(engine)
    await metrics.add_points([point("a", 0, 1.0)])
    catalogue = SeriesCatalogue(engine)
    assert len(await catalogue.find("risk", None, None)) == 1

    async def change(transaction: Transaction) -> None:
        await transaction.execute("UPDATE series SET name = 'b'")

    await engine.write(change)  # behind its back
    assert [s.name for s in (await catalogue.find("risk", None, None)).values()] == ["a"]
    await metrics.add_points([point("c", 0, 1.0)])
    assert sorted(s.name for s in (await catalogue.find("risk", None, None)).values()) == ["a", "c"]


async def test_no_table_is_read_for_each_new_series(postgres_url: str) -> None:
    """A plan of the empty tables must not be used for full ones."""
    count = 5_000
    async with connected(postgres_url) as engine:
        metrics = MetricsDataAccessor(engine)
        for first in range(0, count, 500):
            await metrics.add_points([point(f"s{n}", 0, 1.0) for n in range(first, first + 500)])
    # A connection reports what it read when it ends.
    async with connected(postgres_url) as engine, asyncio.timeout(10):
        read = 0
        while read < count:
            ((read,),) = await engine.fetch(
                "SELECT CAST(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) AS bigint) "
                "FROM pg_stat_user_tables WHERE relname IN ('series', 'series_spans')"
            )
    # Ten batches: some scans of the tables for each of them, and none for each series.
    assert read < 10 * 20 * count


async def test_a_point_does_not_wait_for_a_batch_of_many_new_series(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "AHEAD", 5)
    monkeypatch.setattr(writer, "AHEAD", 5)
    metrics = MetricsDataAccessor(engine, max_series=101)
    await metrics.add_points([point("known", 0, 1.0)])
    many = asyncio.create_task(metrics.add_points([point(f"m{n}", 0, 1.0) for n in range(100)]))
    await asyncio.sleep(0)  # it has begun
    await metrics.add_points([point("known", 1, 2.0)])
    assert not many.done()
    await many
    assert len(await metrics.list_series()) == 101
    with pytest.raises(TooManySeries):
        await metrics.add_points([point(f"n{n}", 0, 1.0) for n in range(10)])
    ((count,),) = await engine.fetch("SELECT count(*) FROM series_spans")
    assert count == 101
