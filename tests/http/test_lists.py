"""Lists: every row once, in order, in any format, over any range."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from yarl import URL

from tests.asking import ALERT, POINT, SIGNAL, TRADE, ask, places
from tests.conftest import Server
from tests.filled_lists import NOW, fill, walk

START, END = (int((NOW + timedelta(minutes=m)).timestamp()) for m in (-100, 1))
RANGE = f"start_time={START}&end_time={END}"


@pytest.mark.parametrize("limit", [1, 3, 4, 10])
async def test_pages_follow_one_another_without_gap_or_overlap(server: Server, limit: int) -> None:
    count = 22
    await fill(server, count)
    caller = await server.key()
    for path, time, newest_first in (
        ("/api/trades", "executed_at", True),
        ("/api/alerts", "created_at", True),
        ("/api/agents/x1/signals", "timestamp", True),
        ("/api/metrics/risk", "timestamp", False),
        ("/api/system", "timestamp", False),
    ):
        rows, pages = await walk(server, caller, f"{path}?{RANGE}&limit={limit}")
        keys = {json.dumps(row, sort_keys=True) for row in rows}
        assert len(keys) == len(rows) == count, path
        times = [row[time] for row in rows]
        assert times == sorted(times, reverse=newest_first), path
        assert pages == -(-count // limit), path


@pytest.mark.parametrize("limit", [1, 3, 4, 10])
async def test_pages_of_series_follow_one_another(server: Server, limit: int) -> None:
    points = [{**POINT, "name": f"n{n}", "labels": {"a": str(n % 2)}} for n in range(9)]
    await server.feed.record_metrics([*points, {**POINT, "metric_type": "trade"}])
    caller = await server.key()
    for path, count in (
        ("/api/metrics", 10),
        ("/api/metrics?name=n", 9),
        ("/api/metrics?name=n1&metric_type=risk", 1),
        ("/api/metrics?name=none", 0),
        ("/api/metrics?metric_type=trade", 1),
        ("/api/metrics/risk/latest", 9),
        ("/api/metrics/risk/latest?label=a:1", 4),
    ):
        rows, pages = await walk(
            server, caller, f"{path}{'&' if '?' in path else '?'}limit={limit}"
        )
        keys = [(row["metric_type"], row["name"]) for row in rows]
        assert len(keys) == count, path
        assert keys == sorted(set(keys)), path
        assert pages == max(1, -(-count // limit)), path
        answer = await ask(
            server, "GET", f"{path}{'&' if '?' in path else '?'}format=ndjson", caller
        )
        assert [json.loads(line) for line in answer.body.splitlines()] == rows, path


async def test_an_export_of_series_has_more_than_a_page(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alphapulse_api.http.export.EXPORT_ROWS", 4)
    await server.feed.record_metrics(
        [{**POINT, "name": f"n{n}", "labels": {"a": "b"}} for n in range(9)]
    )
    caller = await server.key()
    for path in ("/api/metrics", "/api/metrics/risk/latest", "/api/metrics/risk/latest?label=a:b"):
        answer = await ask(server, "GET", path, caller, headers={"Accept": "application/x-ndjson"})
        names = [json.loads(line)["name"] for line in answer.body.splitlines()]
        assert names == [f"n{n}" for n in range(9)], path


async def test_a_page_link_keeps_the_whole_question(server: Server) -> None:
    await server.feed.record_metrics(
        [{**POINT, "labels": {"a": "1&2", "b": "+ü"}, "timestamp": NOW.timestamp() - n}
         for n in range(5)]
    )  # fmt: skip
    await server.feed.record_metrics(
        {**POINT, "labels": {"a": "1&2"}, "timestamp": NOW.timestamp()}
    )
    caller = await server.key()
    path = "/api/metrics/risk?label=a:1%262&label=b:%2B%C3%BC&limit=2&name=var"
    rows, pages = await walk(server, caller, path)
    assert (len(rows), pages) == (5, 3)
    path = f"/api/metrics/risk?aggregation=min,max&interval=1s&limit=2&{RANGE}"
    rows, _ = await walk(server, caller, path)
    assert len(rows) == 6


async def test_defaults_and_bounds_of_limit(server: Server) -> None:
    await server.feed.record_trades([TRADE] * 101)
    await server.feed.record_metrics(
        [{**POINT, "timestamp": NOW.timestamp() - n} for n in range(1001)]
    )
    caller = await server.key()
    assert len(await server.json("/api/trades", caller)) == 100
    assert len(await server.json("/api/trades?limit=10000", caller)) == 101
    assert len(await server.json("/api/metrics/risk", caller)) == 1000
    await server.feed.record_metrics([{**POINT, "name": f"n{n}"} for n in range(1001)])
    for path in ("/api/metrics", "/api/metrics/risk/latest"):
        assert len(await server.json(path, caller)) == 1000
        assert len(await server.json(f"{path}?limit=10000", caller)) == 1002


async def test_a_cursor_of_another_listing_is_refused(server: Server) -> None:
    await fill(server, 3)
    caller = await server.key()
    answer = await ask(server, "GET", "/api/trades?limit=1", caller)
    cursor = URL(answer.headers["Link"].split(">")[0].strip("<")).query["cursor"]
    assert cursor
    params = {"cursor": cursor}
    assert places(await ask(server, "GET", "/api/metrics/risk", caller, params=params)) == [
        "cursor"
    ]


async def test_an_empty_cursor_begins_with_the_first_page(server: Server) -> None:
    await server.feed.record_trades([TRADE] * 3)
    caller = await server.key()
    every = await ask(server, "GET", "/api/trades", caller)
    assert await walk(server, caller, "/api/trades?cursor=&limit=2") == (every.json, 2)


async def test_several_values_are_a_comma_list_or_repeated(server: Server) -> None:
    caller = await server.login()
    for severity in ("info", "warning", "error"):
        await server.feed.raise_alert({**ALERT, "severity": severity})
    for query in ("severity=info,Error", "severity=info&severity=error",
                  "severity=INFO,info&severity=error"):  # fmt: skip
        found = await server.json(f"/api/alerts?{query}", caller)
        assert sorted(alert["severity"] for alert in found) == ["error", "info"]
    await server.feed.record_metrics(POINT)
    for query in ("aggregation=avg,max", "aggregation=avg&aggregation=max"):
        (bucket,) = await server.json(f"/api/metrics/risk?{query}", caller)
        assert {"avg", "max"} <= bucket.keys()
    for query in ("severity=info&severity=urgent", "source=a&source=b"):
        answer = await ask(server, "GET", f"/api/alerts?{query}", caller)
        assert places(answer) == [query.partition("=")[0]]


@pytest.mark.parametrize("resource", ["trades", "alerts", "agents/m/signals"])
async def test_lists_are_sorted_by_time_either_way(server: Server, resource: str) -> None:
    caller, times = await server.login(), [f"2026-01-01T00:00:0{n}Z" for n in range(5)]
    for at in times:
        await server.feed.record_trade({**TRADE, "id": at, "executed_at": at})
        await server.feed.raise_alert({**ALERT, "id": at, "created_at": at})
        await server.feed.record_signal("m", {**SIGNAL, "id": at, "timestamp": at})
    path = f"/api/{resource}"
    for sort, order in (("asc", times), ("desc", times[::-1]), (None, times[::-1])):
        query = {} if sort is None else {"sort": sort}
        page = await ask(server, "GET", path, caller, params={**query, "limit": "3"})
        cursor = page.headers["X-Next-Cursor"]
        rest = await server.json(path, caller, cursor=cursor, **query)
        assert [row["id"] for row in [*page.json, *rest]] == order
        exported = await ask(
            server, "GET", f"{path}/export", caller, params={**query, "format": "ndjson"}
        )
        assert [json.loads(line)["id"] for line in exported.body.splitlines()] == order
    foreign = await ask(server, "GET", path, caller, params={"sort": "asc", "cursor": cursor})
    assert places(foreign) == ["cursor"]
    assert places(await ask(server, "GET", f"{path}?sort=up", caller)) == ["sort"]
