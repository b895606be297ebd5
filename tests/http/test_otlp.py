"""Metrics in OTLP/HTTP, and errors as it has them."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest

from alphapulse_api.config import RateLimitConfig
from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.http.receivers import wire
from alphapulse_api.record.feed import Feed
from tests.asking import Answer, ask
from tests.conftest import Serve, Server
from tests.receivers import (
    NOW_MS,
    PROTOBUF,
    attribute,
    export,
    field,
    fixed,
    gauge,
    number,
    varint,
)

OTLP = "/v1/metrics"
JSON = {"Content-Type": "application/json"}
FUTURE_MS = NOW_MS + 86_400_000


async def _send(server: Server, body: bytes, headers: dict[str, str]) -> Answer:
    caller = await server.key("publish")
    return await ask(server, "POST", OTLP, caller, data=body, headers=headers)


async def _stored(server: Server, metric_type: str) -> list[tuple[str, Any, dict[str, str]]]:
    points = await server.json(f"/api/metrics/{metric_type}", await server.key())
    found = [(point["name"], point["value"], point["labels"]) for point in points]
    return sorted(found, key=repr)


def _status(answer: Answer, status: int) -> dict[str, Any]:
    """The google.rpc.Status of an OTLP error."""
    assert answer.status == status
    if answer.headers["Content-Type"] == "application/json":
        return answer.json
    assert answer.headers["Content-Type"] == "application/x-protobuf"
    # It has the same fields: a number and a text.
    message = wire.parse("PartialSuccess", answer.body)
    return {"code": message.rejected_data_points, "message": message.error_message}


RESOURCE = b"".join(
    field(1, pair)
    for pair in (attribute("service.name", "bot"), attribute("telemetry.sdk.name", "x"))
)


async def test_otlp_stores_every_kind_of_metric(server: Server) -> None:
    time = fixed(3, NOW_MS * 1_000_000)
    histogram = (
        time
        + fixed(4, 3)
        + field(5, 4.5)
        + field(6, b"".join(n.to_bytes(8, "little") for n in (1, 2)))
        + field(7, field(0, 1.0)[1:])
        + field(11, 0.5)
    )
    summary = time + fixed(4, 2) + field(5, 3.0) + field(6, field(1, 0.5) + field(2, 1.5))
    integer = time + varint(6 << 3 | 1) + (-7).to_bytes(8, "little", signed=True)
    nothing = time + field(8, 1)
    pairs = attribute("ok", field(2, 1)), attribute("n", field(3, -1))
    body = export(
        gauge("g", number(1.5, *pairs), nothing),
        field(1, "s") + field(7, field(1, integer) + field(2, 2)),
        field(1, "h") + field(9, field(1, histogram)),
        field(1, "e") + field(10, field(1, time + fixed(4, 9))),
        field(1, "q") + field(11, field(1, summary)),
        resource=RESOURCE,
    )
    for _ in range(2):
        answer = await _send(server, body, PROTOBUF)
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["Content-Type"] == "application/x-protobuf"
    bot = {"service.name": "bot"}
    assert await _stored(server, "otlp") == sorted(
        [
            ("g", 1.5, {"n": "-1", "ok": "true", **bot}),
            ("g", None, bot),
            ("s", -7.0, bot),
            ("h_count", 3.0, bot),
            ("h_sum", 4.5, bot),
            ("h_min", 0.5, bot),
            ("h_bucket", 1.0, {"le": "1", **bot}),
            ("h_bucket", 3.0, {"le": "+Inf", **bot}),
            ("e_count", 9.0, bot),
            ("q_count", 2.0, bot),
            ("q_sum", 3.0, bot),
            ("q", 1.5, {"quantile": "0.5", **bot}),
        ],
        key=repr,
    )


async def test_otlp_json_is_the_same(server: Server) -> None:
    point = {"timeUnixNano": str(NOW_MS * 1_000_000), "asInt": "5",
             "attributes": [{"key": "side", "value": {"stringValue": "buy"}}]}  # fmt: skip
    late = {"timeUnixNano": str(FUTURE_MS * 1_000_000), "asDouble": 1}
    nan = {**point, "asDouble": "NaN"}
    del nan["asInt"]
    metrics = [{"name": "fills", "sum": {"dataPoints": [point, late]}},
               {"name": "nan", "gauge": {"dataPoints": [nan]}}]  # fmt: skip
    resource = {"attributes": [{"key": "metric_type", "value": {"stringValue": "trade"}}]}
    body = {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]}
    answer = await _send(server, json.dumps(body).encode(), JSON)
    assert answer.status == 200
    assert answer.json["partialSuccess"]["rejectedDataPoints"] == "1"
    assert await _stored(server, "trade") == [
        ("fills", 5.0, {"side": "buy"}),
        ("nan", None, {"side": "buy"}),
    ]


async def test_otlp_says_how_many_points_were_refused(server: Server) -> None:
    body = export(
        gauge("", number(1.0)),
        gauge("wide", number(1.0, *(attribute(f"a{n}", "x") for n in range(20)))),
        gauge("wider", number(1.0, *(attribute(f"a{n}", "x") for n in range(1000)))),
        gauge("late", number(1.0, ns=2**64 - 1)),
        gauge("good", number(1.0)),
    )
    answer = await _send(server, body, PROTOBUF)
    assert answer.status == 200
    response = wire.parse("ExportMetricsServiceResponse", answer.body)
    assert response.partial_success.rejected_data_points == 4
    assert response.partial_success.error_message
    assert await _stored(server, "otlp") == [("good", 1.0, {})]


DEEP = b""
for _ in range(300):
    DEEP = field(5, field(1, DEEP))


@pytest.mark.parametrize(
    "body",
    [
        b"\xff",
        field(1, field(2, field(2, field(1, b"\xff")))),
        export(gauge("x", b"\xff")),
        export(gauge("x", number(1.0, attribute("deep", DEEP)))),
        export(gauge("x", number(1.0, b"\xff"))),
    ],
    ids=count(),
)
async def test_malformed_otlp_is_a_400(server: Server, body: bytes) -> None:
    assert _status(await _send(server, body, PROTOBUF), 400)["code"] == 3


@pytest.mark.parametrize(
    "body",
    ["[]", "1", '{"resourceMetrics": 1}', '{"resourceMetrics": [1]}',
     '{"resourceMetrics": [{"resource": {"attributes": [{"key": 1}]}}]}',
     '{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": 1, "gauge": '
     '{"dataPoints": [{}]}}]}]}]}',
     '{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "x", "gauge": '
     '{"dataPoints": [{"asInt": "x"}]}}]}]}]}'],
)  # fmt: skip
async def test_json_that_is_not_otlp_is_refused(server: Server, body: str) -> None:
    answer = await _send(server, body.encode(), JSON)
    assert _status(answer, 400)["code"] == 3


MOMENT = str(NOW_MS * 1_000_000)
SIDE = [{"key": "side", "value": {"stringValue": "buy"}}]


@pytest.mark.parametrize(
    "point",
    [
        {"timeUnixNano": MOMENT, "asDouble": 1.5, "attributes": SIDE},
        {"timeUnixNano": int(MOMENT), "asDouble": 2},
        {"timeUnixNano": MOMENT, "asInt": "-7", "attributes": []},
        {"timeUnixNano": MOMENT, "asInt": 7},
        {"timeUnixNano": MOMENT, "asInt": str(2**63 - 1)},
        {"timeUnixNano": MOMENT, "asInt": "9" * 19},
        {"timeUnixNano": MOMENT, "asInt": "9" * 400},
        {"timeUnixNano": MOMENT, "asInt": "\u0661"},
        {"timeUnixNano": MOMENT, "asDouble": "1.5"},
        {"timeUnixNano": MOMENT, "asDouble": "Infinity"},
        {"timeUnixNano": MOMENT, "asDouble": True},
        {"timeUnixNano": MOMENT, "asDouble": None, "asInt": "3"},
        {"timeUnixNano": MOMENT, "asDouble": 1.5, "asInt": "3"},
        {"timeUnixNano": MOMENT, "asDouble": 1.5, "flags": 1},
        {"timeUnixNano": str(2**64 - 1), "asDouble": 1.5},
        {"timeUnixNano": str(-1), "asDouble": 1.5},
        {"time_unix_nano": MOMENT, "as_double": 1.5},
        {"timeUnixNano": MOMENT},
        {"asDouble": 1.5},
        {},
    ],
    ids=count(),
)
async def test_a_point_is_read_as_protobuf_reads_it(server: Server, point: dict[str, Any]) -> None:
    """A member that we do not read ourselves leaves the whole point to protobuf's parser."""
    answers = []
    for kind, added in (("ours", {}), ("theirs", {"exemplars": []})):
        answer = await _send(server, _export_json({**point, **added}, name=kind), JSON)
        stored = [(value, labels) for name, value, labels in await _stored(server, "otlp")
                  if name == kind]  # fmt: skip
        answers.append((answer.status, answer.body, stored))
    assert answers[0] == answers[1]


def _export_json(*points: dict[str, Any], name: str = "x") -> bytes:
    metrics = [{"name": name, "gauge": {"dataPoints": points}}]
    return json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}).encode()


async def test_attributes_that_no_series_can_have_are_not_decoded(server: Server) -> None:
    longest = {"key": "a", "value": {"stringValue": "b" * 20_000}}
    listed = {"key": "a", "value": {"arrayValue": {"values": [{"intValue": 1}] * 500}}}
    points = [
        {"timeUnixNano": MOMENT, "asInt": 1, "attributes": attributes}
        for attributes in ([longest], [listed], SIDE * 129, SIDE)
    ]
    answer = await _send(server, _export_json(*points), JSON)
    assert answer.json["partialSuccess"]["rejectedDataPoints"] == "3"
    assert await _stored(server, "otlp") == [("x", 1.0, {"side": "buy"})]
    buckets = {"timeUnixNano": MOMENT, "bucketCounts": ["1"] * 201}
    metrics = [{"name": "h", "histogram": {"dataPoints": [buckets]}}]
    many = {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}
    answer = await _send(server, json.dumps(many).encode(), JSON)
    assert answer.json["partialSuccess"]["rejectedDataPoints"] == "1"
    body = export(gauge("y", number(1.0, attribute("a", "b" * 9_000)), number(2.0)))
    response = wire.parse(
        "ExportMetricsServiceResponse", (await _send(server, body, PROTOBUF)).body
    )
    assert response.partial_success.rejected_data_points == 1


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [PROTOBUF, JSON], ids=["protobuf", "JSON"])
async def test_an_error_is_a_status_in_the_encoding_of_the_request(
    serve: Serve, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await serve()

    def code(answer: Answer, status: int) -> int:
        assert answer.headers["Content-Type"] == headers["Content-Type"]
        content = _status(answer, status)
        assert content["message"]
        return int(content["code"])

    assert code(await ask(server, "POST", OTLP, {}, data=b"", headers=headers), 401) == 16
    viewer = await server.key()
    assert code(await ask(server, "POST", OTLP, viewer, data=b"", headers=headers), 403) == 7
    caller = await server.key("publish")
    parameter = await ask(server, "POST", f"{OTLP}?x=1", caller, data=b"", headers=headers)
    assert code(parameter, 400) == 3
    assert code(await _send(server, b"\xff", headers), 400) == 3
    body = export(gauge("x", number(1.0)))
    if headers is JSON:
        body = _export_json({"timeUnixNano": MOMENT, "asInt": 1})

    async def away(*_: object) -> int:
        raise Unavailable("The database is away.")

    monkeypatch.setattr(Feed, "record_points", away)
    answer = await _send(server, body, headers)
    assert code(answer, 503) == 14
    assert answer.headers["Retry-After"] == "2"


async def test_too_many_requests_may_be_sent_again(serve: Serve) -> None:
    server = await serve(rate_limit=RateLimitConfig(requests_per_minute=1))
    caller = await server.key("publish")
    answers = [await ask(server, "POST", OTLP, caller, data=b"{}", headers=JSON) for _ in range(50)]
    refused = [answer for answer in answers if answer.status != 200]
    assert _status(refused[0], 429)["code"] == 8
    assert int(refused[0].headers["Retry-After"]) > 0


async def test_other_media_types_are_refused_in_json(server: Server) -> None:
    answer = await _send(server, b"", {"Content-Type": "text/plain"})
    assert "application/x-protobuf" in _status(answer, 415)["message"]


async def test_a_missing_package_is_a_501_with_the_command(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "find_spec", lambda _: None)
    answer = await _send(server, b"", PROTOBUF)
    assert 'pip install "alphapulse_api[ingest]"' in _status(answer, 501)["message"]
