"""Every promise about aggregation, as a client sees it over HTTP."""

from __future__ import annotations

import csv
import io
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alphapulse_api.config import AuthConfig, DatabaseConfig
from alphapulse_api.domain.aggregation import AUTO_INTERVALS, FUNCTIONS
from tests.asking import Answer, ask, places, problem
from tests.conftest import Serve

START = datetime(2026, 3, 1, tzinfo=UTC)
Get = Callable[..., Awaitable[Answer]]


def text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.fixture(params=["sqlite", "postgres"])
async def get(request: pytest.FixtureRequest, serve: Serve) -> Get:
    """Stores points (name, instant, value) and asks for /api/metrics/risk."""
    sections: dict[str, Any] = {}
    if request.param == "postgres":
        url = await request.getfixturevalue("postgres").emptied()
        sections["database"] = DatabaseConfig(url=url)
        sections["auth"] = AuthConfig(jwt_secret="a secret of the test, 32 bytes or more")
    server = await serve(**sections)
    caller = await server.login("admin")

    async def get(
        points: list[tuple[str, datetime, float | None]] | None = None, **params: Any
    ) -> Answer:
        if points:
            body = [
                {"metric_type": "risk", "name": name, "timestamp": text(at), "value": value}
                for name, at, value in points
            ]
            stored = await ask(server, "POST", "/api/metrics", caller, json=body)
            assert stored.status == 201, stored.body
        asked = {key: text(v) if isinstance(v, datetime) else v for key, v in params.items()}
        return await ask(server, "GET", "/api/metrics/risk", caller, params=asked)

    return get


def when(row: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(row["timestamp"])


def minutes(*values: float | None) -> list[tuple[str, datetime, float | None]]:
    """A value every ten seconds from START on."""
    return [("x", START + n * timedelta(seconds=10), value) for n, value in enumerate(values)]


HOUR = {"start_time": START, "end_time": START + timedelta(hours=1)}


async def test_one_function_answers_in_value_and_several_in_their_names(get: Get) -> None:
    one = await get(minutes(1.0, 2.0, 6.0), aggregation="avg", interval="1m", **HOUR)
    (row,) = one.json
    assert when(row) == START
    del row["timestamp"]
    assert row == {"metric_type": "risk", "name": "x", "value": 3.0, "labels": {}}
    all_of_them = await get(aggregation=",".join(FUNCTIONS), interval="1m", **HOUR)
    (row,) = all_of_them.json
    assert "value" not in row
    assert {name: row[name] for name in FUNCTIONS} == {
        "avg": 3.0, "min": 1.0, "max": 6.0, "sum": 9.0, "count": 3, "first": 1.0, "last": 6.0,
        "stddev": pytest.approx(7**0.5), "p50": 2.0, "p95": pytest.approx(5.6),
        "p99": pytest.approx(5.92),
    }  # fmt: skip


async def test_mean_is_avg_alone_and_among_others(get: Get) -> None:
    alone = await get(minutes(1.0, 2.0), aggregation="mean", interval="1m", **HOUR)
    assert alone.json[0]["value"] == 1.5
    (row,) = (await get(aggregation="max,mean", interval="1m", **HOUR)).json
    assert (row["avg"], row["max"]) == (1.5, 2.0)
    assert places(await get(aggregation="mean,avg", **HOUR)) == ["aggregation"]


async def test_either_half_implies_the_other(get: Get) -> None:
    points = [("x", START + timedelta(minutes=n), float(n)) for n in range(60)]
    day = {"start_time": START, "end_time": START + timedelta(days=1)}
    by_function = await get(points, aggregation="avg", **day)
    assert len(by_function.json) == 12  # auto: 5m
    assert (await get(interval="auto", **day)).json == by_function.json
    hours = await get(interval="1h", **day)
    assert [row["value"] for row in hours.json] == [29.5]
    assert len((await get(max_points=24, **day)).json) == 1


async def test_empty_buckets_are_left_out_and_those_of_nulls_count_none(get: Get) -> None:
    points = [("x", START, 1.0), ("x", START + timedelta(minutes=5), None)]
    rows = (await get(points, aggregation="count,max,stddev,p50", interval="1m", **HOUR)).json
    assert [(when(row), row["count"], row["max"]) for row in rows] == [
        (START, 1, 1.0),
        (START + timedelta(minutes=5), 0, None),
    ]
    assert [(row["stddev"], row["p50"]) for row in rows] == [(None, 1.0), (None, None)]


async def test_huge_values_are_returned_as_they_are(get: Get) -> None:
    huge = minutes(1.7976931348623157e308, -1.7976931348623157e308, 5e-324)
    (row,) = (await get(huge, aggregation="min,max,sum,avg,last", interval="1d", **HOUR)).json
    assert (row["min"], row["max"]) == (-1.7976931348623157e308, 1.7976931348623157e308)
    assert (row["sum"], row["last"]) == (5e-324, 5e-324)


async def test_rows_are_per_series_and_buckets_per_instant(get: Get) -> None:
    points = [
        (name, START + timedelta(minutes=m), float(m)) for name in ("b", "a") for m in range(3)
    ]
    rows = (await get(points, aggregation="sum", interval="2m", **HOUR)).json
    first, second = START, START + timedelta(minutes=2)
    assert [(when(row), row["value"]) for row in rows] == [
        (first, 1.0), (first, 1.0), (second, 2.0), (second, 2.0),
    ]  # fmt: skip
    assert {row["name"] for row in rows[:2]} == {"a", "b"}


@pytest.mark.parametrize("interval", [i for i in AUTO_INTERVALS if i != "1w"])
async def test_buckets_count_from_the_epoch(get: Get, interval: str) -> None:
    at = START + timedelta(hours=13, minutes=47, seconds=39, microseconds=1)
    question = {"start_time": at - timedelta(minutes=1), "end_time": at + timedelta(minutes=1)}
    (row,) = (await get([("x", at, 1.0)], interval=interval, **question)).json
    began = when(row)
    width = {"s": 1, "m": 60, "h": 3600, "d": 86400}[interval[-1]] * int(interval[:-1])
    assert began.timestamp() % width == 0
    assert began <= at < began + timedelta(seconds=width)


async def test_more_than_11000_buckets_are_refused_with_an_interval_that_is_not(get: Get) -> None:
    points = minutes(1.0)
    just = {"start_time": START, "end_time": START + timedelta(seconds=11_000)}
    assert (await get(points, interval="1s", **just)).status == 200
    more = {**just, "end_time": just["end_time"] + timedelta(microseconds=1)}
    for timezone in ({}, {"timezone": "America/New_York"}):
        refused = problem(await get(interval="1s", **more, **timezone), 422)
        assert refused["errors"][0]["parameter"] == "interval"
        suggested = refused["suggested_interval"]
        assert (await get(interval=suggested, **more, **timezone)).status == 200
    years = {"start_time": START, "end_time": START + timedelta(days=365 * 40)}
    refused = problem(await get(interval="1d", timezone="Asia/Kolkata", **years), 422)
    assert refused["suggested_interval"] in ("3w", "2w", "1w")


async def test_max_points_bounds_auto(get: Get) -> None:
    points = [("x", START + timedelta(minutes=10 * n), 1.0) for n in range(6 * 24 * 7)]
    week = {"start_time": START, "end_time": START + timedelta(days=7)}
    for timezone in ("UTC", "Asia/Kathmandu", "America/New_York"):
        for most in (1, 2, 7, 8, 14, 42, 168, 1000, 11_000):
            question = {"aggregation": "count", "max_points": most, "limit": 10_000}
            rows = (await get(points, timezone=timezone, **question, **week)).json
            points = []
            assert 1 <= len(rows) <= most
            assert sum(row["value"] for row in rows) == 6 * 24 * 7
    for most in ("0", "11001", "-1", "x"):
        assert places(await get(max_points=most, **week)) == ["max_points"]


async def test_weeks_begin_on_monday(get: Get) -> None:
    days = [("x", START + timedelta(days=n), 1.0) for n in range(15)]
    month = {"start_time": START, "end_time": START + timedelta(days=15)}
    rows = (await get(days, aggregation="count", interval="1w", **month)).json
    assert [(row["timestamp"][:10], row["value"]) for row in rows] == [
        ("2026-02-23", 1), ("2026-03-02", 7), ("2026-03-09", 7),
    ]  # fmt: skip


# -- by the clock of a zone -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "first", "interval", "counts"),
    [
        ("America/New_York", "2026-03-07", "1d", [48, 46, 48]),
        ("America/New_York", "2026-10-31", "1d", [48, 50, 48]),
        ("Australia/Lord_Howe", "2026-10-03", "1d", [48, 47, 48]),
        ("Australia/Lord_Howe", "2026-04-04", "1d", [48, 49, 48]),
        ("Asia/Kathmandu", "2026-04-04", "1d", [48, 48, 48]),
        ("America/Sao_Paulo", "2018-11-03", "1d", [48, 46, 48]),
        ("Europe/Berlin", "2026-03-23", "1w", [7 * 48 - 2, 7 * 48, 7 * 48]),
        ("Asia/Kolkata", "2026-03-23", "12h", [24, 24, 24]),
    ],
)
async def test_days_and_weeks_begin_by_the_clock_there(
    get: Get, zone: str, first: str, interval: str, counts: list[int]
) -> None:
    start = datetime.fromisoformat(first).replace(tzinfo=ZoneInfo(zone))
    length = {"1d": timedelta(days=1), "1w": timedelta(weeks=1), "12h": timedelta(hours=12)}
    # By the clock there, as datetimes of one zone are added.
    starts = [start + n * length[interval] for n in range(len(counts) + 1)]
    points, at = [], starts[0].astimezone(UTC)
    while at < starts[-1]:
        points.append(("x", at, 1.0))
        at += timedelta(minutes=30)
    question = {"aggregation": "count,stddev,p50", "interval": interval, "timezone": zone}
    rows = (await get(points, **question, start_time=starts[0], end_time=starts[-1])).json
    assert [when(row) for row in rows] == [at.astimezone(UTC) for at in starts[:-1]]
    assert [row["count"] for row in rows] == counts
    assert {(row["stddev"], row["p50"]) for row in rows} == {(0.0, 1.0)}


async def test_pages_and_csv_of_a_zone_are_the_whole(get: Get) -> None:
    zone = "America/New_York"
    start = datetime(2026, 10, 1, tzinfo=ZoneInfo(zone))
    points = [("x", start.astimezone(UTC) + timedelta(hours=n), float(n)) for n in range(24 * 40)]
    question = {"start_time": start, "end_time": start + timedelta(days=40), "timezone": zone,
                "interval": "1d", "aggregation": "first"}  # fmt: skip
    whole = (await get(points, **question)).json
    assert len(whole) == 40
    assert [row["value"] for row in whole[31:34]] == [31 * 24, 32 * 24 + 1, 33 * 24 + 1]
    pages: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await get(**question, limit=7, **cursor)
        pages += answer.json
        if "Link" not in answer.headers:
            break
        cursor = {"cursor": answer.headers["Link"].partition("cursor=")[2].partition("&")[0]}
        cursor = {"cursor": cursor["cursor"].partition(">")[0]}
    assert pages == whole
    in_csv = csv.DictReader(io.StringIO((await get(**question, format="csv")).body.decode()))
    assert [float(row["value"]) for row in in_csv] == [row["value"] for row in whole]


async def test_each_zone_has_answers_of_its_own_in_the_cache(get: Get) -> None:
    day = {"start_time": START, "end_time": START + timedelta(days=1), "interval": "1d"}
    points = [("x", START + timedelta(hours=n), 1.0) for n in range(24)]
    found = {}
    for zone in ("UTC", "America/New_York", "Asia/Tokyo"):
        missed = await get(points, aggregation="count", timezone=zone, **day)
        again = await get(aggregation="count", timezone=zone, **day)
        points = []
        assert (missed.headers["X-Cache"], again.headers["X-Cache"]) == ("MISS", "HIT")
        assert missed.body == again.body
        found[missed.headers["ETag"]] = [row["value"] for row in again.json]
    assert sorted(found.values()) == [[5, 19], [15, 9], [24]]


@pytest.mark.parametrize("zone", ["EST5", "+02:00", "europe/berlin", "../UTC", "x" * 65])
async def test_an_unknown_zone_is_refused_by_name(get: Get, zone: str) -> None:
    assert places(await get(timezone=zone)) == ["timezone"]
    assert places(await get(timezone=zone, aggregation="avg")) == ["timezone"]


async def test_a_zone_for_raw_points_is_refused_with_the_way_out(get: Get) -> None:
    refused = await get(timezone="America/New_York")
    assert places(refused) == ["timezone"]
    assert "interval or aggregation" in refused.json["detail"]
    assert (await get(timezone="America/New_York", max_points=10)).status == 200
