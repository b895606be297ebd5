"""Spans of OpenTelemetry as usage: what counts, in either encoding."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alphapulse_api.http.receivers import wire
from tests.conftest import Server

JSON = "application/json"
PROTOBUF = "application/x-protobuf"
TRACE = "0af7651916cd43dd8448eb211c80319c"
NOON = 1_772_625_600_000_000_000  # 2026-03-04T12:00:00Z


def span(number: int, parent: int = 0, **attributes: Any) -> dict[str, Any]:
    return {
        "trace": TRACE, "id": f"{number:016x}", "parent": f"{parent:016x}" if parent else "",
        "attributes": {name.replace("__", "."): value for name, value in attributes.items()},
    }  # fmt: skip


def chat(number: int, parent: int = 0, **attributes: Any) -> dict[str, Any]:
    return span(
        number, parent,
        **{
            "gen_ai__operation__name": "chat", "gen_ai__provider__name": "openai",
            "gen_ai__request__model": "gpt-4o", "gen_ai__response__model": "gpt-4o-2024-08-06",
            "gen_ai__usage__input_tokens": 1000, "gen_ai__usage__output_tokens": 50,
            "gen_ai__input__messages": "x" * 20_000, **attributes,
        },
    )  # fmt: skip


def in_json(spans: list[dict[str, Any]]) -> dict[str, Any]:
    def value(given: Any) -> dict[str, Any]:
        if isinstance(given, int):
            return {"intValue": str(given)}
        return {"stringValue": given}

    def attributes(given: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"key": key, "value": value(item)} for key, item in given.items()]

    told = [
        {
            "traceId": one["trace"], "spanId": one["id"], "parentSpanId": one["parent"],
            "startTimeUnixNano": str(NOON), "endTimeUnixNano": str(NOON + 2_500_000_000),
            "attributes": attributes(one["attributes"]),
        }
        for one in spans
    ]  # fmt: skip
    resource = {"attributes": attributes({"service.name": "fund"})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": told}]}]}


def in_protobuf(spans: list[dict[str, Any]]) -> bytes:
    def field(number: int, data: bytes) -> bytes:
        size, length = len(data), bytearray()
        while size > 0x7F:
            length.append(size & 0x7F | 0x80)
            size >>= 7
        return bytes((number << 3 | 2, *length, size)) + data

    def pair(key: str, given: Any) -> bytes:
        made = wire.message_class("KeyValue")(key=key)
        if isinstance(given, int):
            made.value.int_value = given
        else:
            made.value.string_value = given
        return bytes(made.SerializeToString())

    body = field(1, field(1, pair("service.name", "fund")))
    scope = b""
    for one in spans:
        made = wire.message_class("Span")(
            trace_id=bytes.fromhex(one["trace"]), span_id=bytes.fromhex(one["id"]),
            parent_span_id=bytes.fromhex(one["parent"]), start_time_unix_nano=NOON,
            end_time_unix_nano=NOON + 2_500_000_000,
            attributes=[pair(key, item) for key, item in one["attributes"].items()],
        )  # fmt: skip
        scope += field(2, made.SerializeToString())
    return field(1, body + field(2, scope))


async def send(server: Server, spans: list[dict[str, Any]], media_type: str) -> tuple[int, bytes]:
    headers = {**await server.key("publish"), "Content-Type": media_type}
    body: dict[str, Any] = (
        {"json": in_json(spans)} if media_type == JSON else {"data": in_protobuf(spans)}
    )
    async with server.request("POST", "/v1/traces", headers=headers, **body) as response:
        return response.status, await response.read()


async def sums(server: Server, group_by: str = "agent") -> list[dict[str, Any]]:
    headers = await server.key(name="reader")
    rows: list[dict[str, Any]] = await server.json("/api/usage", headers, group_by=group_by)
    return rows


@pytest.mark.parametrize("media_type", [JSON, PROTOBUF])
async def test_only_calls_of_models_count_and_each_once(server: Server, media_type: str) -> None:
    spans = [
        span(
            1, gen_ai__operation__name="invoke_agent", gen_ai__agent__name="analyst",
            gen_ai__usage__input_tokens=2000,
        ),
        chat(2, parent=1),
        span(3, parent=1, gen_ai__operation__name="execute_tool"),
        chat(4, parent=3, gen_ai__usage__cache_read__input_tokens=400),
        span(5, http__method="GET"),
        chat(6),
    ]  # fmt: skip
    for _ in range(2):
        status, _ = await send(server, spans, media_type)
        assert status == 200
    rows = await sums(server)
    told = [(row["agent_id"], row["calls"], row["input_tokens"]) for row in rows]
    assert told == [("analyst", 2, 2000), ("fund", 1, 1000)]
    assert rows[0]["cached_tokens"] == 400
    assert rows[0]["duration"] == 5.0
    (row,) = await sums(server, "model")
    assert (row["provider"], row["model"]) == ("openai", "gpt-4o-2024-08-06")
    assert server.backend.monitor.dropped_spans == 6


@pytest.mark.parametrize("media_type", [JSON, PROTOBUF])
async def test_spans_are_linked_to_the_decision_of_their_trace_and_agent(
    server: Server, media_type: str
) -> None:
    await send(server, [chat(1, gen_ai__agent__id="manager"), chat(2)], media_type)
    decision = {"id": "d-1", "agent_id": "manager", "cycle_id": TRACE}
    await server.feed.record_decision(decision)
    found = await server.json("/api/decisions/d-1", await server.key(name="r"), expand="cost")
    assert found["cost"]["calls"] == 1


@pytest.mark.parametrize("media_type", [JSON, PROTOBUF])
async def test_a_call_that_is_not_valid_is_refused_alone(server: Server, media_type: str) -> None:
    bad = chat(1, gen_ai__agent__name="no such/agent?")
    status, answer = await send(server, [bad, chat(2)], media_type)
    assert status == 200
    assert b"agent_id" in answer
    assert [row["agent_id"] for row in await sums(server)] == ["fund"]


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"{", JSON, 400),
        (b'{"resourceSpans": 7}', JSON, 400),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [7]}]}]}', JSON, 400),
        (b"\x0a\xff", PROTOBUF, 400),
        (b"x", "text/plain", 415),
    ],
    ids=["json", "number", "span", "protobuf", "media type"],
)
async def test_bodies_that_are_not_traces_are_refused(
    server: Server, body: bytes, media_type: str, status: int
) -> None:
    headers = {**await server.key("publish"), "Content-Type": media_type}
    async with server.request("POST", "/v1/traces", headers=headers, data=body) as response:
        assert response.status == status
    async with server.request("POST", "/v1/traces", data=body) as response:
        assert response.status == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": ""}, {"id": "00" * 8}, {"id": "ab"}, {"trace": ""}, {"trace": "0" * 32},
        {"trace": "ab" * 8},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("media_type", [JSON, PROTOBUF])
async def test_a_call_without_a_valid_id_is_refused_alone(
    server: Server, media_type: str, wrong: dict[str, str]
) -> None:
    sent = [{**chat(1), **wrong}, chat(2), span(3)]
    status, body = await send(server, sent, media_type)
    assert status == 200
    assert b"32 hexadecimal digits" in body
    if media_type == JSON:
        assert json.loads(body)["partialSuccess"]["rejectedSpans"] == "1"
    (row,) = await sums(server)
    assert row["calls"] == 1


@pytest.mark.parametrize("wrong", ["g" * 16, 17, None, "0x12345678901234", "١" * 16])
async def test_ids_of_json_are_hexadecimal_digits(server: Server, wrong: Any) -> None:
    status, body = await send(server, [{**chat(1), "id": wrong}], JSON)
    assert (status, json.loads(body)["partialSuccess"]["rejectedSpans"]) == (200, "1")
    assert await sums(server) == []


async def test_ids_are_the_same_in_either_case_and_encoding(server: Server) -> None:
    one = {**chat(1), "id": "00000000000000ab"}
    for sent, media_type in (
        (one, JSON), ({**one, "id": one["id"].upper(), "trace": TRACE.upper()}, JSON),
        (one, PROTOBUF),
    ):  # fmt: skip
        status, body = await send(server, [sent], media_type)
        assert (status, body) == (200, b"{}" if media_type == JSON else b"")
    (row,) = await sums(server)
    assert row["calls"] == 1
