"""Coded bodies on every route that takes a body: read whole, or refused and nothing stored."""

from __future__ import annotations

import csv
import io
import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple

import pytest

from alphapulse_api import Config
from alphapulse_api.http.body import CODINGS as ACCEPTED
from alphapulse_api.http.route import Row
from alphapulse_api.http.route_table import ROWS
from tests.asking import TRADE, Answer, ask, problem
from tests.codings import CODINGS, coded, packed
from tests.conftest import PASSWORD, Server
from tests.hostile import valid_record
from tests.raw import connection
from tests.receivers import NOW_MS, PROTOBUF, export, gauge, number

FORM = f"grant_type=password&username=admin&password={PASSWORD.replace(' ', '+')}&token=x"
POINT = {"timeUnixNano": str(NOW_MS * 1_000_000), "asInt": 1}
GAUGE = {"name": "x", "gauge": {"dataPoints": [POINT]}}
OTLP = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [GAUGE]}]}]}
FURTHER = {"/webhooks/freqtrade": {"bot": "momentum", "message": "x"}}
JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"
TRADES = json.dumps([{**TRADE, "id": f"t{n}"} for n in range(100)]).encode()
NEXT = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Way(NamedTuple):
    """A way in: a route, and a valid body of one of its media types."""

    method: str
    path: str
    media_type: str
    body: bytes


def _ways() -> Iterator[Way]:
    """All of the route table, but remote write, which takes only snappy, and tokens in a path."""
    for row in ROWS:
        if row.protocol != "prometheus" and not row.by_token:
            for media_type, body in _bodies(row):
                path = row.path.replace("{id}", "x")
                yield Way(row.method, path, media_type, body)


def _bodies(row: Row) -> Iterator[tuple[str, bytes]]:
    if row.form is not None:
        yield "application/x-www-form-urlencoded", FORM.encode()
    if row.protocol == "otlp":
        yield PROTOBUF["Content-Type"], export(gauge("x", number(1.0)))
        yield JSON, json.dumps(OTLP).encode()
    if row.protocol == "influx":
        yield "text/plain", b"cpu value=1\n"
    if row.body is None:
        return
    record = {**valid_record(row), **FURTHER.get(row.path, {})}
    if row.imports is not None:
        missing = {name for name, field in row.body().fields.items() if field.required} - set(
            record
        )
        record |= dict.fromkeys(missing, "2024-01-01T00:00:00Z")  # their times
    if not row.body_in_lines:
        yield JSON, json.dumps([record] if row.body_is_array else record).encode()
    if row.text_body:
        yield "text/plain", b"BTCUSDT crossed 50000"
    if row.body_in_lines or row.body_may_be_array:
        yield NDJSON, json.dumps(record).encode() + b"\n"
        yield CSV, _csv(record)


def _csv(record: dict[str, Any]) -> bytes:
    text = io.StringIO()
    cells = [value if isinstance(value, str) else json.dumps(value) for value in record.values()]
    csv.writer(text).writerows([list(record), cells])
    return text.getvalue().encode()


WAYS = list(_ways())


async def _send(
    server: Server, way: Way, caller: dict[str, str], coding: str, body: bytes
) -> Answer:
    headers = {"Content-Type": way.media_type, "Content-Encoding": coding}
    return await ask(server, way.method, way.path, caller, data=body, headers=headers)


def _detail(answer: Answer) -> str:
    """The detail of a refusal, in any form."""
    return answer.body.decode(errors="replace")


def _rows(config: Config) -> dict[str, int]:
    """How many rows each table has."""
    with closing(sqlite3.connect(config.database.url.removeprefix("sqlite:///"))) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for (name,) in tables
        }


@pytest.mark.parametrize("coding", CODINGS)
async def test_a_body_that_is_cut_at_a_flush_is_refused_whole(
    config: Config, server: Server, coding: str
) -> None:
    """What arrived would be valid on its own."""
    assert len({way.path for way in WAYS}) > 20
    caller = await server.login()
    before = _rows(config)
    for way in WAYS:
        flushed, _ = coded(way.body, coding)
        answer = await _send(server, way, caller, CODINGS[coding], flushed)
        assert answer.status == 400, way
        assert "cut short" in _detail(answer), way
    assert _rows(config) == before
    for way in WAYS:
        answer = await _send(server, way, caller, CODINGS[coding], packed(way.body, coding))
        # Some routes are about a record, or a command of agents, that is not there.
        assert answer.status in (200, 201, 202, 204, 404) or any(
            reason in _detail(answer) for reason in ("invalid_grant", "declares a command")
        ), way
    after = _rows(config)
    assert {name for name in after if after[name] > before[name]} >= {"trades", "alerts"}


async def test_a_coding_that_is_not_known_is_refused_by_the_route(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "alphapulse_api.access")
    caller = await server.login()
    known = ", ".join(ACCEPTED)
    for coding in ("br", "compress", "gzip, gzip", "snappy"):
        for way in WAYS:
            caplog.clear()
            answer = await _send(server, way, caller, coding, way.body)
            assert answer.status == 415, way
            assert known in _detail(answer), way
            assert answer.headers["Accept-Encoding"] == known, way
            assert [record.path for record in caplog.records] == [way.path]
            if way.path in ("/v1/metrics", "/v1/traces"):
                assert answer.headers["Content-Type"] == way.media_type
            else:
                problem(answer, 415)
    headers = {"Content-Encoding": "br"}
    for path, who, status in (("/nowhere", caller, 404), ("/api/trades", {}, 401)):
        answer = await ask(server, "POST", path, who, data=b"x", headers=headers)
        problem(answer, status)
    remote = Way("POST", "/api/v1/write", PROTOBUF["Content-Type"], b"x")
    for coding in ("gzip", "identity"):
        answer = await _send(server, remote, caller, coding, b"x")
        problem(answer, 415)
        assert answer.headers["Accept-Encoding"] == "snappy"


def _wrong(coding: str, kind: str) -> bytes:
    good = packed(TRADES, coding)
    match kind:
        case "something else":
            return TRADES
        case "bytes behind the end":
            return good + b"and more"
    return good[: len(good) // 2]


def _head(server: Server, caller: dict[str, str], coding: str, size: int, more: str = "") -> bytes:
    lines = [
        "POST /api/trades HTTP/1.1",
        f"Host: {server.url.removeprefix('http://')}",
        *(f"{name}: {value}" for name, value in caller.items()),
        f"Content-Type: {JSON}",
        f"Content-Encoding: {coding}",
        f"Content-Length: {size}",
    ]
    return "\r\n".join([*lines, more]).encode() + b"\r\n" * (2 if more else 1)


@pytest.mark.parametrize("reading", [False, True])
@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
async def test_behind_one_that_is_refused_the_connection_goes_on(
    server: Server, caplog: pytest.LogCaptureFixture, coding: str, reading: bool
) -> None:
    """Whether the body comes with its head, or while the handler waits for it."""
    caller = await server.key("publish")
    async with connection(server.url) as peer:
        for kind in ("something else", "bytes behind the end", "cut"):
            body = _wrong(coding, kind)
            if reading:
                await peer.send(_head(server, caller, coding, len(body), "Expect: 100-continue"))
                assert (await peer.answer()).status == 100
                await peer.send(body + NEXT)
            else:
                await peer.send(_head(server, caller, coding, len(body)) + body + NEXT)
            answer = await peer.answer()
            problem(Answer(answer.status, answer.headers, answer.body), 400)
            assert (await peer.answer()).status == 200
        for body in (TRADES, packed(TRADES, coding)):  # which nobody reads
            await peer.send(_head(server, {}, coding, len(body)) + body + NEXT)
            assert [(await peer.answer()).status for _ in range(2)] == [401, 200]
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


@pytest.mark.parametrize("coding", CODINGS)
async def test_a_body_without_end_is_too_large(server: Server, coding: str) -> None:
    """Empty streams, or empty blocks of one, add nothing to what is decoded."""
    head, end = coded(b"", coding)
    more = packed(b"", coding) if "deflate" not in coding else coded(b"", coding)[0][-5:]

    async def body() -> Any:
        yield head + (end if "deflate" not in coding else b"")
        for _ in range(10):
            yield more * 1_000

    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Encoding": CODINGS[coding],
    }
    answer = await ask(server, "POST", "/token", data=body(), headers=headers)
    problem(answer, 413)
