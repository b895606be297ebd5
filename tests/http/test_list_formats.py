"""The formats of lists, and exports of all that their pages hold."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import aiohttp
import pytest

from tests.asking import TRADE, Answer, ask, problem
from tests.conftest import Server
from tests.filled_lists import NOW, fill, walk

LISTS = (
    "/api/metrics", "/api/metrics/risk", "/api/metrics/risk/latest", "/api/alerts", "/api/trades",
    "/api/agents", "/api/agents/x1/signals", "/api/system",
)  # fmt: skip


async def test_every_list_comes_in_three_formats(server: Server) -> None:
    await fill(server, 4)
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
    paged, pages = await walk(server, caller, "/api/trades?limit=4000")
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
