"""The metrics of some books: by their label, and prices of no book."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alphapulse_api.domain.books import ALL, Books
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from alphapulse_api.storage.metrics.labels import enter_all
from tests.engines import T0

# By what a series is called here: its type and labels.
SERIES = {
    "of alpha": ("risk", {"book": "alpha"}),
    "of beta": ("risk", {"book": "beta", "desk": "x"}),
    "of none": ("risk", {}),
    "price": ("price", {"venue": "x"}),
    "price in alpha": ("price", {"book": "alpha"}),
    "price in beta": ("price", {"book": "beta"}),
}
ALPHA = Books(("alpha",))
BOTH = Books(("beta", "alpha"))


@pytest.fixture
async def metrics(engine: Engine) -> MetricsDataAccessor:
    accessor = MetricsDataAccessor(engine)
    await accessor.add_points(
        [
            {"metric_type": kind, "name": name, "timestamp": T0 + timedelta(minutes=n),
             "value": float(n), "labels": labels}
            for name, (kind, labels) in SERIES.items()
            for n in range(3)
        ]
    )  # fmt: skip
    await enter_all(engine)
    return accessor


def names(rows: Any) -> list[str]:
    return sorted({row["name"] for row in rows})


@pytest.mark.parametrize(
    ("books", "prices", "readable"),
    [
        (ALL, True, [*SERIES]),
        (ALPHA, False, ["of alpha", "price in alpha"]),
        (ALPHA, True, ["of alpha", "price", "price in alpha"]),
        (BOTH, True, [name for name in SERIES if name != "of none"]),
        (Books(("gamma",)), False, []),
    ],
    ids=["all", "alpha", "alpha and prices", "both and prices", "gamma"],
)
async def test_every_question_is_about_the_books_only(
    metrics: MetricsDataAccessor, books: Books, prices: bool, readable: list[str]
) -> None:
    some = metrics.within(books, prices=prices)
    readable = sorted(readable)
    assert names(await some.list_series()) == readable
    assert names(await some.get_latest_metrics()) == readable
    parts = [page async for page in some.latest_in_parts()]
    assert names(row for page in parts for row in page) == readable
    for kind in ("risk", "price"):
        of_kind = [name for name in readable if SERIES[name][0] == kind]
        assert names(await some.list_series(metric_type=kind)) == of_kind
        assert names(await some.list_series("price", metric_type=kind)) == [
            name for name in of_kind if name.startswith("price")
        ]
        assert names(await some.get_latest_metrics(kind)) == of_kind
        parts = [page async for page in some.latest_in_parts(kind)]
        assert names(row for page in parts for row in page) == of_kind
        for question in ({}, {"aggregation": "avg,p95", "interval": "1m"}):
            rows = await some.get_metrics(kind, T0, T0 + timedelta(hours=1), **question)
            assert names(rows) == of_kind
        for label in ({"book": "beta"}, {"desk": "x"}):
            of_label = [name for name in of_kind if label.items() <= SERIES[name][1].items()]
            rows = await some.get_metrics(kind, T0, T0 + timedelta(hours=1), labels=label)
            assert names(rows) == of_label
            assert names(await some.get_latest_metrics(kind, labels=label)) == of_label


async def test_pages_of_some_books_follow_each_other(metrics: MetricsDataAccessor) -> None:
    some = metrics.within(BOTH, prices=True)
    for read in (some.list_series, some.get_latest_metrics):
        found, cursor = [], None
        while True:
            page = await read(limit=1, cursor=cursor)
            found += [row["name"] for row in page]
            if (cursor := page.next_cursor) is None:
                break
        assert len(found) == 5
        assert names({"name": name} for name in found) == sorted(found)
