"""Lists: every row once, in order, in any format, over any range."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.asking import ALERT, POINT, SAMPLE, SIGNAL, TRADE, Answer, ask, places, problem
from tests.conftest import Server

# Some time ago: the samples that a server takes of itself stand outside.
NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)


async def _walk(server: Server, caller: dict[str, str], path: str) -> tuple[list[Any], int]:
    """All rows, by the Link headers alone, and how many pages they took."""
    rows: list[Any] = []
    pages = 0
    url = URL(server.url + path, encoded=True)
    while True:
        async with server.session.get(url, headers=caller) as response:
            assert response.status == 200, await response.text()
            page = await response.json()
            rows += page
            pages += 1
            following = response.links.get("next")
            cursor = response.headers.get("X-Next-Cursor")
        assert cursor == (following and following["url"].query["cursor"])
        if following is None:
            return rows, pages
        assert page, "a page before the last is not empty"
        link = following["url"]
        assert isinstance(link, URL)
        url = link


async def _fill(server: Server, count: int) -> None:
    # Four to an instant: only the id orders them.
    at = [(NOW - timedelta(minutes=n // 4)).isoformat() for n in range(count)]
    await server.feed.record_trades([{**TRADE, "executed_at": t} for t in at])
    await server.feed.record_metrics(
        [{**POINT, "timestamp": t, "name": f"n{n % 4}"} for n, t in enumerate(at)]
    )
    for n, t in enumerate(at):
        await server.feed.raise_alert({**ALERT, "created_at": t})
        await server.feed.record_signal("x1", {**SIGNAL, "timestamp": t})
        await server.feed.report_system({**SAMPLE, "component": f"c{n % 4}", "timestamp": t})


START, END = (int((NOW + timedelta(minutes=m)).timestamp()) for m in (-100, 1))
RANGE = f"start_time={START}&end_time={END}"


@pytest.mark.parametrize("limit", [1, 3, 4, 10])
async def test_pages_follow_one_another_without_gap_or_overlap(server: Server, limit: int) -> None:
    count = 22
    await _fill(server, count)
    caller = await server.key()
    for path, time, newest_first in (
        ("/api/trades", "executed_at", True),
        ("/api/alerts", "created_at", True),
        ("/api/agents/x1/signals", "timestamp", True),
        ("/api/metrics/risk", "timestamp", False),
        ("/api/system", "timestamp", False),
    ):
        rows, pages = await _walk(server, caller, f"{path}?{RANGE}&limit={limit}")
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
        rows, pages = await _walk(
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
    rows, pages = await _walk(server, caller, path)
    assert (len(rows), pages) == (5, 3)
    path = f"/api/metrics/risk?aggregation=min,max&interval=1s&limit=2&{RANGE}"
    rows, _ = await _walk(server, caller, path)
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
    await _fill(server, 3)
    caller = await server.key()
    answer = await ask(server, "GET", "/api/trades?limit=1", caller)
    cursor = URL(answer.headers["Link"].split(">")[0].strip("<")).query["cursor"]
    assert cursor
    params = {"cursor": cursor}
    assert places(await ask(server, "GET", "/api/metrics/risk", caller, params=params)) == [
        "cursor"
    ]


LISTS = (
    "/api/metrics", "/api/metrics/risk", "/api/metrics/risk/latest", "/api/alerts", "/api/trades",
    "/api/agents", "/api/agents/x1/signals", "/api/system",
)  # fmt: skip


async def test_every_list_comes_in_three_formats(server: Server) -> None:
    await _fill(server, 4)
    caller = await server.key()
    for path in LISTS:
        rows = (await ask(server, "GET", path, caller)).json
        assert rows
        assert all(isinstance(row, dict) for row in rows)
        for form, kind in (("csv", "text/csv"), ("ndjson", "application/x-ndjson")):
            named = await ask(server, "GET", f"{path}?format={form}", caller)
            asked = await ask(server, "GET", path, caller, headers={"Accept": kind})
            assert named.body == asked.body, path
            assert named.headers["Content-Type"].split(";")[0] == kind
            assert "Accept" in named.headers["Vary"]
            assert _rows(named) == [_flat(row) if form == "csv" else row for row in rows]
            head = await ask(server, "HEAD", f"{path}?format={form}", caller)
            assert (head.status, head.body) == (200, b"")
        # The parameter is the louder word.
        answer = await ask(
            server, "GET", f"{path}?format=json", caller, headers={"Accept": "text/csv"}
        )
        assert answer.json == rows


def _rows(answer: Answer) -> list[Any]:
    text = answer.body.decode()
    if answer.headers["Content-Type"].startswith("text/csv"):
        return list(csv.DictReader(io.StringIO(text)))
    return [json.loads(line) for line in text.splitlines()]


def _flat(row: dict[str, Any]) -> dict[str, str]:
    def cell(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, (bool, dict, list)):
            return json.dumps(value, separators=(",", ":"))
        return str(value)

    return {name: cell(value) for name, value in row.items()}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("application/json, text/csv", "application/json"),
        ("text/csv;q=0.5, application/json;q=0.9", "application/json"),
        ("text/csv; q=0, application/json", "application/json"),
        ("Text/CSV", "text/csv"),
        ("application/x-ndjson, */*;q=0.1", "application/x-ndjson"),
        ("text/html, application/*;q=0.5", "application/json"),
        ("text/*", "text/csv"),
        ("application/json;q=0, */*", "text/csv"),
    ],
)
async def test_accept_is_weighed(server: Server, accept: str, kind: str) -> None:
    caller = await server.key()
    answer = await ask(server, "GET", "/api/trades", caller, headers={"Accept": accept})
    assert answer.headers["Content-Type"].split(";")[0] == kind


@pytest.mark.parametrize(
    "accept",
    ["application/xml", "image/*, text/html", "application/json;q=0, text/*;q=0", "*/*;q=0"],
)
async def test_a_format_that_cannot_be_had_is_a_406(server: Server, accept: str) -> None:
    caller = await server.key()
    answer = await ask(server, "GET", "/api/trades", caller, headers={"Accept": accept})
    content = problem(answer, 406)
    assert content["type"] == "urn:alphapulse:problem:not-acceptable"
    assert "text/csv" in content["detail"]
    named = await ask(server, "GET", "/api/trades?format=xml", caller)
    assert problem(named, 406)["type"] == content["type"]


async def test_an_empty_cursor_begins_with_the_first_page(server: Server) -> None:
    await server.feed.record_trades([TRADE] * 3)
    caller = await server.key()
    every = await ask(server, "GET", "/api/trades", caller)
    assert await _walk(server, caller, "/api/trades?cursor=&limit=2") == (every.json, 2)


async def test_an_empty_csv_still_has_its_header(server: Server) -> None:
    caller = await server.key()
    answer = await ask(server, "GET", "/api/trades?format=csv", caller)
    assert answer.body.decode().startswith("id,order_id,client_order_id,symbol,side,quantity,")
    assert (await ask(server, "GET", "/api/trades?format=ndjson", caller)).body == b""


async def test_an_export_streams_all_that_the_pages_hold(server: Server) -> None:
    count = 10_001
    for first in range(0, count, 5_000):
        await server.feed.record_trades(
            [{**TRADE, "price": f"{n}.10", "executed_at": NOW.timestamp() - n // 3}
             for n in range(first, min(first + 5_000, count))]
        )  # fmt: skip
    caller = await server.key()
    paged, pages = await _walk(server, caller, "/api/trades?limit=4000")
    assert (len(paged), pages) == (count, 3)
    for form in ("csv", "ndjson"):
        answer = await ask(server, "GET", f"/api/trades?format={form}", caller)
        assert answer.headers["Transfer-Encoding"] == "chunked"
        expected = [_flat(row) for row in paged] if form == "csv" else paged
        assert _rows(answer) == expected


async def test_a_client_that_leaves_an_export_costs_nothing_more(server: Server) -> None:
    await server.feed.record_trades([{**TRADE, "metadata": {"x": "x" * 4000}}] * 2_000)
    caller = await server.key()
    async with aiohttp.ClientSession() as session:
        response = await session.get(f"{server.url}/api/trades?format=ndjson", headers=caller)
        await response.content.readexactly(1000)
        response.close()
    assert (await ask(server, "GET", "/api/me", caller)).status == 200


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
