"""Metrics in the protocols of Prometheus, OpenTelemetry and InfluxDB, friendly and hostile."""

from __future__ import annotations

import base64
import gzip
import json
from itertools import count
from typing import Any

import pytest

from alphapulse_api.http.receivers import intake, wire
from tests.asking import Answer, ask, problem
from tests.conftest import Server
from tests.receivers import (
    NOW_MS,
    PROTOBUF,
    SNAPPY,
    SNAPPY_2,
    STALE,
    field,
    sample,
    series,
    snappy,
    varint,
)

REMOTE = "/api/v1/write"
OTLP = "/v1/metrics"
INFLUX = "/api/v2/write"
FUTURE_MS = NOW_MS + 86_400_000


async def _send(server: Server, path: str, body: bytes, headers: dict[str, str]) -> Answer:
    caller = await server.key("publish")
    return await ask(server, "POST", path, caller, data=body, headers=headers)


async def _stored(server: Server, metric_type: str) -> list[tuple[str, Any, dict[str, str]]]:
    points = await server.json(f"/api/metrics/{metric_type}", await server.key())
    found = [(point["name"], point["value"], point["labels"]) for point in points]
    return sorted(found, key=repr)


# -- Prometheus -----------------------------------------------------------------------------------


async def test_remote_write_stores_samples_once(server: Server) -> None:
    labels = {"__name__": "up", "job": "bot", "empty": ""}
    body = snappy(
        series(labels, sample(1.0), sample(STALE, NOW_MS + 5))
        + series({"__name__": "var", "metric_type": "risk"}, sample(-0.0))
        + field(3, b"metadata is skipped")
    )
    for _ in range(2):
        answer = await _send(server, REMOTE, body, SNAPPY)
        assert answer.status == 204, answer.body
        assert answer.headers["X-Prometheus-Remote-Write-Samples-Written"] == "3"
    assert await _stored(server, "prometheus") == [
        ("up", 1.0, {"job": "bot"}),
        ("up", None, {"job": "bot"}),
    ]
    assert await _stored(server, "risk") == [("var", 0.0, {})]


async def test_remote_write_2_refers_to_symbols(server: Server) -> None:
    symbols = b"".join(field(4, text) for text in ("", "__name__", "up", "job", "bot"))
    refs = field(1, bytes((1, 2, 3, 4)))
    histogram = field(1, 7) + field(3, 2.5) + field(15, NOW_MS)
    body = field(5, refs + field(2, sample(2.0)) + field(3, histogram)) + symbols
    answer = await _send(server, REMOTE, snappy(body), SNAPPY_2)
    assert answer.status == 204, answer.body
    assert answer.headers["X-Prometheus-Remote-Write-Histograms-Written"] == "1"
    assert await _stored(server, "prometheus") == [
        ("up", 2.0, {"job": "bot"}),
        ("up_count", 7.0, {"job": "bot"}),
        ("up_sum", 2.5, {"job": "bot"}),
    ]


async def test_invalid_samples_are_refused_alone(server: Server) -> None:
    many = {"__name__": "wide", **{f"l{n}": "x" for n in range(17)}}
    body = (
        series(many, sample(1.0))
        + series({"__name__": "wider", **{f"l{n}": "x" for n in range(500)}}, sample(1.0))
        + series({"job": "nameless"}, sample(1.0))
        + series({"__name__": "late"}, sample(1.0, FUTURE_MS), sample(1.0, -(2**63)))
        + series({"__name__": "good"}, sample(3.0))
    )
    answer = await _send(server, REMOTE, snappy(body), SNAPPY)
    content = problem(answer, 400)
    assert content["accepted"] == 1
    assert len(content["errors"]) == 5
    assert answer.headers["X-Prometheus-Remote-Write-Samples-Written"] == "1"
    assert await _stored(server, "prometheus") == [("good", 3.0, {})]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"\xff\xff\xff\xff\x0f", 413),
        (b"\x05abc", 400),
        (snappy(b"\x00" * (17 << 20)), 413),
        (snappy(b"\xff" * 100), 400),
        (snappy(field(1, b"\xff")), 400),
        (snappy(field(1, b"x" * 10)[:-1]), 400),
        (snappy(field(1, field(1, b"\x0a\x05ab"))), 400),
        (snappy(series({}, sample(1.0), more=field(1, b"\x0a\x05ab"))), 400),
        (snappy(field(1, b"\x0a\x00" * 150_000)), 413),
    ],
    ids=count(),  # the bodies hold the present time, which differs between processes
)
async def test_a_malformed_remote_write_is_refused(
    server: Server, body: bytes, status: int
) -> None:
    answer = await _send(server, REMOTE, body, SNAPPY)
    assert problem(answer, status)["detail"]


async def test_a_symbol_that_is_not_there_is_refused(server: Server) -> None:
    for refs in (b"\x09\x09", varint(2**32 - 1) * 2):
        body = field(5, field(1, refs) + field(2, sample(1.0)))
        problem(await _send(server, REMOTE, snappy(body), SNAPPY_2), 400)


async def test_the_fields_of_a_body_are_bounded(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MAX_FIELDS", 100)
    body = b"\x0a\x00" * 101
    problem(await _send(server, REMOTE, snappy(body), SNAPPY), 413)
    assert (await _send(server, OTLP, body, PROTOBUF)).status == 413


async def test_points_are_stored_in_batches(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MAX_BATCH", 10)
    body = b"".join(series({"__name__": f"m{n}"}, sample(1.0)) for n in range(200))
    problem_after = await _send(server, REMOTE, snappy(body + field(1, b"\xff")), SNAPPY)
    assert 0 < problem(problem_after, 400)["accepted"] <= 200
    assert (await _send(server, REMOTE, snappy(body), SNAPPY)).status == 204
    assert len(await _stored(server, "prometheus")) == 200


async def test_other_forms_of_remote_write_are_a_415(server: Server) -> None:
    for headers in (
        PROTOBUF,
        {**SNAPPY, "Content-Type": "application/json"},
        {**SNAPPY, "Content-Type": "application/x-protobuf;proto=other"},
    ):
        problem(await _send(server, REMOTE, snappy(b""), headers), 415)


async def test_a_missing_package_is_a_501_with_the_command(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "find_spec", lambda _: None)
    answer = await _send(server, REMOTE, b"", SNAPPY)
    assert 'pip install "alphapulse_api[ingest]"' in problem(answer, 501)["detail"]


async def test_a_gzip_bomb_is_refused(server: Server) -> None:
    bomb = gzip.compress(b"\x00" * (64 << 20))
    headers = {**PROTOBUF, "Content-Encoding": "gzip"}
    assert (await _send(server, OTLP, bomb, headers)).status == 413
    problem(await _send(server, INFLUX, bomb, {"Content-Encoding": "gzip"}), 413)


# -- InfluxDB -------------------------------------------------------------------------------------


async def test_lines_become_points(server: Server) -> None:
    lines = (
        f"cpu,host=a user=1.5,value=2i,on=t {NOW_MS}\r\n"
        f'cpu,host=b\\ c,q="x" note="a, \\"b\\"\nc=1",user=-1e3 {NOW_MS}\n'
        "# a comment\n\n"
        f"var,metric_type=risk value=4u {NOW_MS}\n"
        "now value=1"
    )
    body = gzip.compress(lines.encode())
    path = f"{INFLUX}?org=o&bucket=b&precision=ms"
    answer = await _send(server, path, body, {"Content-Encoding": "gzip"})
    assert answer.status == 204, answer.body
    assert await _stored(server, "influx") == [
        ("cpu", 2.0, {"host": "a"}),
        ("cpu.on", 1.0, {"host": "a"}),
        ("cpu.user", -1000.0, {"host": "b c", "q": '"x"'}),
        ("cpu.user", 1.5, {"host": "a"}),
        ("now", 1.0, {}),
    ]
    assert await _stored(server, "risk") == [("var", 4.0, {})]


@pytest.mark.parametrize(
    "line",
    ["x", "x ", "x 1", "x =1", "x a=", "x a=1,", "x a=b", "x a=nan", "x a=inf", "x a=1_0",
     "x a=1e999", "x a=1.5i", "x a=1 b", "x a=1 1 1", ",t=1 a=1", "x,t a=1", "x,t= a=1", 'x a="b',
     "x a=1 1.5",
     f"x a={'1' * 100}", f"{'x' * 129} a=1", f"x a=1 {FUTURE_MS}000000", "x\\ a=1",
     "x " + "a=1," * 6000,
     "x,\xff=1 a=1", 'x a="' + "\n" * 100],
    ids=count(),
)  # fmt: skip
async def test_a_wrong_line_is_refused_alone(server: Server, line: str) -> None:
    body = f"good a=1 {NOW_MS}000000\n".encode() + line.encode("latin-1")
    answer = await _send(server, "/write?db=x", body, {})
    content = problem(answer, 400)
    assert content["accepted"] == 1
    assert (content["code"], content["message"]) == ("invalid", content["detail"])
    assert content["detail"].startswith("partial write: ")
    assert content["errors"][0]["line"] >= 2


async def test_a_line_is_bounded(server: Server) -> None:
    problem(await _send(server, INFLUX, b"x" * (1 << 20), {}), 413)


async def test_the_query_of_a_write_is_checked(server: Server) -> None:
    for query in ("precision=x", "u=me", "p=secret"):
        answer = await _send(server, f"/write?{query}", b"", {})
        assert "secret" not in json.dumps(problem(answer, 422))


# -- credentials ----------------------------------------------------------------------------------


async def test_a_key_is_taken_as_these_clients_send_it(server: Server) -> None:
    key = (await server.key("publish"))["X-API-Key"]
    basic = base64.b64encode(f"any:{key}".encode()).decode()
    for value in (f"Bearer {key}", f"Token {key}", f"Token any:{key}", f"Basic {basic}"):
        caller = {"Authorization": value}
        answer = await ask(server, "POST", INFLUX, caller, data=b"x value=1")
        assert answer.status == 204, value
        problem(await ask(server, "GET", "/api/me", caller), 401)
    for value in ("Token x", "Basic x", "Basic !", "Bearer apk_x", "Token "):
        problem(await ask(server, "POST", INFLUX, {"Authorization": value}, data=b""), 401)
    reader = {"Authorization": f"Token {(await server.key())['X-API-Key']}"}
    problem(await ask(server, "POST", INFLUX, reader, data=b"x value=1"), 403)


async def test_a_hundred_refusals_are_named_and_the_rest_counted(server: Server) -> None:
    content = problem(await _send(server, INFLUX, b"x\n" * 1_000 + b"good value=1", {}), 400)
    assert content["accepted"] == 1
    assert len(content["errors"]) == 100
    assert content["errors_omitted"] == 900


async def test_a_line_of_many_tags_is_refused_alone(server: Server) -> None:
    tags = ",".join(f"t{n}=a" for n in range(65))
    body = f"wide,{tags} value=1\ngood value=1".encode()
    content = problem(await _send(server, INFLUX, body, {}), 400)
    assert content["errors"] == [{"line": 1, "detail": "a line may have at most 64 tags"}]
    assert await _stored(server, "influx") == [("good", 1.0, {})]


async def test_a_text_may_span_lines_and_pieces(server: Server) -> None:
    """The text is longer than a piece of the body, and the lines are counted on."""
    text = b"\n".join([b"a" * 1_000] * 60)
    body = b'x a="%b",value=1\ny value=2\nbad\n' % text
    content = problem(await _send(server, INFLUX, body, {}), 400)
    assert [error["line"] for error in content["errors"]] == [62]
    assert await _stored(server, "influx") == [("x", 1.0, {}), ("y", 2.0, {})]


@pytest.mark.parametrize("body", [bytes(4), b"\x08\x00\x00\x00", b"\x05\x00\x00\x00\x00"])
async def test_a_field_without_a_number_is_malformed(server: Server, body: bytes) -> None:
    problem(await _send(server, REMOTE, snappy(body), SNAPPY), 400)
