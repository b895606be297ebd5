"""Listings of series: page by page, by prefix, by label, beside what retention has emptied."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from alphapulse_api.config import RetentionConfig
from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.metrics.labels import enter_all
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.retention import forget
from tests.engines import T0, point

NAMES = ["b", "a", "a%", "ab", "ä", "a\U0010ffff", "a\U0010ffffz", "b_", "\ud7ff"]
LABELS: list[dict[str, str]] = [{}, {"desk": "a"}, {"desk": "b"}, {"desk": "a", "venue": "x"}]
TYPES = ("trade", "risk")


async def _walk(ask: Callable[..., Awaitable[Page]], limit: int, **query: Any) -> list[Any]:
    """All rows, page by page; each page but the last is full, or not empty with labels."""
    rows: list[Any] = []
    cursor = None
    while True:
        page = await ask(**query, limit=limit, cursor=cursor)
        rows += page
        if (cursor := page.next_cursor) is None:
            return rows
        assert 0 < len(page) <= limit
        assert len(cursor) <= 1024


def _key(row: dict[str, Any]) -> tuple[str, str, int]:
    return row["metric_type"], row["name"], LABELS.index(row["labels"])


@pytest.fixture
async def filled(store: Accessors) -> list[tuple[str, str, int]]:
    """The keys of the stored series in the order of the listings."""
    await store.metrics.add_points(
        [
            {**point(name, 0, 1.0, **labels), "metric_type": kind}
            for kind in TYPES
            for name in NAMES
            for labels in LABELS
        ]
    )
    return sorted((kind, name, n) for kind in TYPES for name in NAMES for n in range(len(LABELS)))


@pytest.mark.parametrize("limit", [1, 3, 7, 1000])
async def test_pages_hold_every_series_once_in_order(
    store: Accessors, filled: list[tuple[str, str, int]], limit: int
) -> None:
    for ask in (store.metrics.list_series, store.metrics.get_latest_metrics):
        assert [_key(row) for row in await _walk(ask, limit)] == filled
        for kind in TYPES:
            rows = await _walk(ask, limit, metric_type=kind)
            assert [_key(row) for row in rows] == [key for key in filled if key[0] == kind]


@pytest.mark.parametrize("prefix", [*NAMES, "", "z", "A", "\U0010ffff"])
async def test_a_prefix_finds_what_begins_with_it(
    store: Accessors, filled: list[tuple[str, str, int]], prefix: str
) -> None:
    expected = [key for key in filled if key[1].startswith(prefix)]
    assert [_key(r) for r in await _walk(store.metrics.list_series, 3, name=prefix)] == expected
    rows = await _walk(store.metrics.list_series, 3, name=prefix, metric_type="risk")
    assert [_key(row) for row in rows] == [key for key in expected if key[0] == "risk"]


async def test_the_newest_points_are_filtered_by_name_and_labels(
    store: Accessors, filled: list[tuple[str, str, int]]
) -> None:
    for name in (None, "a", "none"):
        for labels in (None, {"desk": "a"}, {"desk": "a", "venue": "x"}, {"desk": "none"}):
            for kind in (None, "risk"):
                rows = await _walk(
                    store.metrics.get_latest_metrics,
                    3,
                    metric_type=kind,
                    name=name,
                    labels=labels,
                )
                assert [_key(row) for row in rows] == [
                    key
                    for key in filled
                    if name in (None, key[1])
                    and kind in (None, key[0])
                    and (labels or {}).items() <= LABELS[key[2]].items()
                ]


async def test_the_longest_name_fits_into_a_cursor(store: Accessors) -> None:
    name = "\U0001f4c8" * 128
    kind = "m" * 64
    many = [{**point(name, 0, 1.0, n=str(n)), "metric_type": kind} for n in range(3)]
    await store.metrics.add_points(many)
    assert len(await _walk(store.metrics.list_series, 1)) == 3


async def test_a_page_is_not_empty_because_retention_left_no_points(
    store: Accessors, engine: Engine
) -> None:
    old, new = range(6), range(6, 9)
    await store.metrics.add_points([point(f"m{n}", 0, 1.0, desk="a") for n in old])
    await store.metrics.add_points([point(f"m{n}", 86400, 1.0, desk="a") for n in new])
    await forget(engine, RetentionConfig(metrics=3600.0), T0 + timedelta(days=1))
    for labels in (None, {"desk": "a"}):
        rows = await _walk(store.metrics.get_latest_metrics, 2, labels=labels)
        assert [row["name"] for row in rows] == ["m6", "m7", "m8"]
    assert len(await _walk(store.metrics.list_series, 2)) == 9  # their rollups are there


async def test_a_cursor_of_other_filters_is_refused(
    store: Accessors, filled: list[tuple[str, str, int]]
) -> None:
    cursor = (await store.metrics.list_series(limit=1)).next_cursor
    with pytest.raises(ValidationProblem):
        await store.metrics.list_series(name="a", limit=1, cursor=cursor)
    with pytest.raises(ValidationProblem):
        await store.metrics.get_latest_metrics(limit=1, cursor=cursor)


async def test_labels_are_found_before_during_and_after_an_upgrade(
    store: Accessors, engine: Engine, filled: list[tuple[str, str, int]]
) -> None:
    async def as_before(transaction: Transaction) -> None:
        await transaction.execute("DELETE FROM series_labels")
        await transaction.execute(
            "UPDATE series_version SET unlabelled = (SELECT max(id) FROM series)"
        )

    async def ask() -> list[Any]:
        ask = partial(store.metrics.get_latest_metrics, labels={"desk": "a"})
        return [_key(row) for row in await _walk(ask, 3)]

    await engine.write(as_before)
    wanted = [key for key in filled if key[2] in (1, 3)]
    assert await ask() == wanted
    await store.metrics.add_points([{**point("b", 0, 1.0, desk="c"), "metric_type": "risk"}])
    await enter_all(engine)
    assert await ask() == wanted
    ((count,),) = await engine.fetch("SELECT count(*) FROM series_labels")
    assert count == len(filled) + 1  # 0, 1, 1 and 2 labels of each four
    await forget(engine, RetentionConfig(metrics=1.0, rollups=1.0), T0 + timedelta(days=9))
    assert await engine.fetch("SELECT * FROM series_labels") == []
