"""Bodies of a record a line: stored in batches as they come, and honest about what was stored."""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.http import body, ingest
from tests.asking import POINT, TRADE, Answer, ask, problem
from tests.conftest import Server

NDJSON = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv"}
NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)


def point(n: int) -> dict[str, Any]:
    return {**POINT, "timestamp": (NOW - timedelta(milliseconds=n)).isoformat(), "value": n}


def lines(records: list[Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


async def post(
    server: Server, data: Any, kind: dict[str, str] = NDJSON, path: str = "/api/metrics"
) -> Answer:
    caller = await server.key("publish")
    data = io.BytesIO(data) if isinstance(data, bytes) else data
    return await ask(server, "POST", path, caller, data=data, headers=kind)


async def _count(server: Server) -> int:
    series = await server.json("/api/metrics", await server.key())
    return sum(entry["count"] for entry in series)


async def _values(server: Server) -> list[Any]:
    points = await server.json("/api/metrics/risk", await server.key())
    return [point["value"] for point in points]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "MAX_BATCH", 10)
    monkeypatch.setattr(ingest, "MAX_RECORDS", 10)
    monkeypatch.setattr(body, "PIECE_BYTES", 16)


@pytest.mark.parametrize(
    "body",
    [
        lines([point(2), point(1)]),
        lines([point(2), point(1)])[:-1],
        b"\xef\xbb\xbf" + lines([point(2), point(1)]),
        lines([point(2), point(1)]).replace(b"\n", b"\r\n\n  \r\n"),
        b"\n\n" + lines([point(2), point(1)]) + b"\n\n",
    ],
)
async def test_a_line_is_a_record(server: Server, small_batches: None, body: bytes) -> None:
    kind = {"Content-Type": "application/x-ndjson; charset=UTF-8"}
    answer = await post(server, body, kind)
    assert (answer.status, answer.json) == (201, {"accepted": 2})
    assert await _values(server) == [2, 1]


@pytest.mark.parametrize("body", [b"", b"\n", b"\xef\xbb\xbf", b"\r\n \n"])
async def test_no_line_is_no_record(server: Server, body: bytes) -> None:
    answer = await post(server, body)
    assert (answer.status, answer.json) == (201, {"accepted": 0})


async def test_a_csv_names_its_fields(server: Server, small_batches: None) -> None:
    text = (
        "value,name,label.venue,metric_type,timestamp,label.desk\r\n"
        f'1.5,"a ""b"", c",x,risk,{NOW.isoformat()},\r\n'
        "\r\n"
        f'nan,"two\nlines",,risk,{NOW.timestamp():.0f},\r\n'
        f",ü\u2028\x0b,x,risk,{NOW.timestamp() * 1000:.0f},d"
    )
    answer = await post(server, b"\xef\xbb\xbf" + text.encode(), CSV)
    assert (answer.status, answer.json) == (201, {"accepted": 3}), answer.body
    points = await server.json("/api/metrics/risk", await server.key())
    assert {(p["name"], p["value"], json.dumps(p["labels"])) for p in points} == {
        ('a "b", c', 1.5, '{"venue": "x"}'),
        ("two\nlines", None, "{}"),
        ("ü\u2028\x0b", None, '{"desk": "d", "venue": "x"}'),
    }
    assert {p["timestamp"] for p in points} == {
        NOW.isoformat(timespec="microseconds").replace("+00:00", "Z")
    }


@pytest.mark.parametrize("form", ["csv", "ndjson"])
@pytest.mark.parametrize("path", ["/api/metrics/risk", "/api/trades"])
async def test_what_is_exported_can_be_sent_again(server: Server, path: str, form: str) -> None:
    labels = {"a": 'q"u,o\nte', "b": "ü"}
    await server.feed.record_metrics([{**point(1), "labels": labels}, {**point(2), "value": None}])
    await server.feed.record_trade({**TRADE, "fee": "-0.10", "metadata": {"a": [1, None]}})
    await server.feed.record_trade({**TRADE, "price": "0.000000000000000000000000000001"})
    before = await server.json(path, await server.key())
    exported = await ask(server, "GET", f"{path}?format={form}", await server.key())
    kind = {"Content-Type": exported.headers["Content-Type"]}
    to = "/api/trades" if path == "/api/trades" else "/api/metrics"
    answer = await post(server, exported.body, kind, to)
    assert (answer.status, answer.json) == (201, {"accepted": 2}), answer.body
    assert await server.json(path, await server.key()) == before


async def test_a_large_body_is_stored_as_it_comes(server: Server) -> None:
    """Packed, in chunks, more than a JSON body may be; several batches."""
    pad = " " * 600
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        packer = zlib.compressobj(1, wbits=31)
        for first in range(0, 30_000, 1_000):
            lines = b"".join(
                json.dumps(point(n)).encode() + pad.encode() + b"\n"
                for n in range(first, first + 1_000)
            )
            sent += len(lines)
            yield packer.compress(lines)
        yield packer.flush()

    answer = await post(server, body(), {**NDJSON, "Content-Encoding": "gzip"})
    assert (answer.status, answer.json) == (201, {"accepted": 30_000})
    assert sent > 16 * 2**20
    assert await _count(server) == 30_000


@pytest.mark.parametrize("kind", [NDJSON, CSV])
async def test_the_error_of_a_bad_line_says_how_many_were_stored(
    server: Server, monkeypatch: pytest.MonkeyPatch, kind: dict[str, str]
) -> None:
    monkeypatch.setattr(ingest, "MAX_BATCH", 1_000)
    records = [point(n) for n in range(2_500)] + [
        {**point(2_500), "value": "x"},
        point(2_501),
    ]
    body = lines(records)
    first_line = 1
    if kind is CSV:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
        body, first_line = text.getvalue().encode(), 2
    answer = await post(server, body, kind)
    content = problem(answer, 422)
    place = {
        "pointer": "/2500/value",
        "line": 2_500 + first_line,
        "detail": "Not a number but text.",
    }
    assert (content["accepted"], content["errors"]) == (2_000, [place])
    assert content["detail"] == f"line {place['line']}, /2500/value: Not a number but text."
    assert await _count(server) == 2_000
    # Mended and sent again as a whole, nothing is there twice.
    answer = await post(server, body.replace(b'"x"', b"7").replace(b",x", b",7"), kind)
    assert (answer.status, answer.json) == (201, {"accepted": 2_502})
    assert await _count(server) == 2_502


@pytest.mark.parametrize(
    ("body", "status", "pointer", "line"),
    [
        (lines([POINT] * 11) + b"{\n", 400, "/11", 12),
        (lines([POINT] * 11) + b"\n\xff\n", 400, "/11", 13),
        (lines([POINT] * 11) + b'{"a":"\\ud800"}', 400, "/11", 12),
        (lines([POINT] * 11) + b"[" * 4_000, 400, "/11", 12),
        (lines([POINT] * 11) + b"[" * 50_000, 413, "/11", 12),
        (lines([POINT] * 11) + b" " * (2**20 + 1), 413, "/11", 12),
        (lines([POINT] * 11) + b"[]", 422, "/11", 12),
        (lines([POINT] * 11) + lines([{**POINT, "x": 1}]) + lines([POINT]), 422, "/11/x", 12),
        (lines([POINT] * 3) + b"7\n" + lines([POINT] * 9), 422, "/3", 4),
        (lines([[POINT]]), 422, "/0", 1),
        (lines([POINT]).replace(b'"risk"', b'"risk",\n'), 400, "/0", 1),
    ],
)
async def test_what_is_wrong_has_its_place(
    server: Server, small_batches: None, body: bytes, status: int, pointer: str, line: int
) -> None:
    content = problem(await post(server, body), status)
    stored = 10 if pointer.startswith("/11") else 0
    assert content["accepted"] == stored
    assert [(e["pointer"], e["line"]) for e in content["errors"]] == [(pointer, line)]
    assert content["detail"].startswith(f"line {line}, {pointer}: ")


HEAD = "metric_type,name,value\n"


@pytest.mark.parametrize(
    ("text", "status", "pointer", "line"),
    [
        ("", 422, "/0", 1),
        ("\ufeff", 422, "/0", 1),
        ("metric_type,nam,value\n", 422, "/0", 1),
        ("metric_type,name,value,value\n", 422, "/0", 1),
        ("metric_type,name,value,avg\n", 422, "/0", 1),
        ("metric_type,name,value,label.\n", 422, "/0", 1),
        ("metric_type,name,value,labels,label.a\n", 422, "/0", 1),
        (f"{HEAD}risk,a,1\nrisk,a\n", 422, "/1", 3),
        (f"{HEAD}risk,a,1\nrisk,a,1,\n", 422, "/1", 3),
        (f"{HEAD}risk,a,1_0\n", 422, "/0/value", 2),
        (f"{HEAD}risk,a,١\n", 422, "/0/value", 2),
        (f"{HEAD}risk,,1\n", 422, "/0/name", 2),
        (f'{HEAD}risk,"a\n\nb",1\n\nrisk,a,x\n', 422, "/1/value", 6),
        (f'{HEAD}risk,a,1\nrisk,"a"b,1\nrisk,a,1\n', 400, "/1", 3),
        (f'{HEAD}risk,a,1\nrisk,"a,1\n\nrisk,a,1\n', 400, "/1", 3),
        (f"{HEAD}risk,a,1\nrisk,a\rb,1\nrisk,a,1\n", 400, "/1", 3),
        (f"{HEAD}risk,a,1\n{'a,' * 2**20}", 413, "/1", 3),
        ("metric_type,name,value,labels\nrisk,a,1,{\n", 422, "/0/labels", 2),
        ("metric_type,name,value,labels\nrisk,a,1,[]\n", 422, "/0/labels", 2),
    ],
)
async def test_what_is_wrong_in_a_csv_has_its_place(
    server: Server, small_batches: None, text: str, status: int, pointer: str, line: int
) -> None:
    content = problem(await post(server, text.encode(), CSV), status)
    assert [(e["pointer"], e["line"]) for e in content["errors"]] == [(pointer, line)]
    assert await _count(server) == content["accepted"] == 0


async def test_a_line_that_is_no_utf_8_is_named(server: Server, small_batches: None) -> None:
    text = f'{HEAD}risk,a,1\nrisk,"\n\n'.encode() + b'\xff",1\n'
    content = problem(await post(server, text, CSV), 400)
    assert content["errors"][0]["line"] == 5
    kind = {"Content-Type": "text/csv; charset=latin-1"}
    assert "latin-1" in problem(await post(server, b"", kind), 415)["detail"]


async def test_trades_are_taken_too(server: Server, small_batches: None) -> None:
    trades = [{**TRADE, "id": f"t{n}", "price": f"{n}.10"} for n in range(25)]
    answer = await post(server, lines(trades), path="/api/trades")
    assert (answer.status, answer.json) == (201, {"accepted": 25})
    clash = [*trades[:12], {**TRADE, "id": "t3"}, *trades[13:]]
    content = problem(await post(server, lines(clash), path="/api/trades"), 409)
    assert content["accepted"] == 10
    assert [(e["pointer"], e["line"]) for e in content["errors"]] == [("/12/id", 13)]
    answer = await post(server, b"metric_type\n", CSV, "/api/trades")
    assert "'metric_type'" in problem(answer, 422)["detail"]
    # One at a time elsewhere.
    answer = await post(server, b"{}", NDJSON, "/api/alerts")
    assert problem(answer, 415)["detail"].endswith("it must be one of: application/json.")


async def test_the_error_of_a_lost_store_says_how_many_were_stored(
    server: Server, small_batches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    accessor = server.dashboard.metrics
    add_points = accessor.add_points

    async def twice(points: Any, **options: Any) -> int:
        if await _count(server) == 20:
            raise Unavailable("The database is away.")
        stored: int = await add_points(points, **options)
        return stored

    monkeypatch.setattr(accessor, "add_points", twice)
    answer = await post(server, lines([point(n) for n in range(30)]))
    content = problem(answer, 503)
    assert (content["accepted"], content["detail"]) == (20, "The database is away.")
    assert answer.headers["Retry-After"]
