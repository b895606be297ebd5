"""Metrics in the protocols of other systems."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from aiohttp import web

from alphapulse_api.backend import BACKEND
from alphapulse_api.domain.encoding import dumps, loads_floats
from alphapulse_api.domain.errors import (
    BAD_REQUEST,
    TOO_LARGE,
    UNSUPPORTED_MEDIA,
    Problem,
    ValidationProblem,
)
from alphapulse_api.http.body import MAX_BODY_BYTES, BodyReader, read_body
from alphapulse_api.http.json_body import JsonBody
from alphapulse_api.http.pipeline.auth import CALLER
from alphapulse_api.http.receivers import otlp, remote_write, wire
from alphapulse_api.http.receivers import otlp_traces as otlp_spans
from alphapulse_api.http.receivers.genai import Span, calls_in
from alphapulse_api.http.receivers.intake import Intake
from alphapulse_api.http.receivers.line_protocol import PRECISIONS, LineDecoder
from alphapulse_api.http.receivers.otlp_json import decoding_json
from alphapulse_api.http.receivers.rpc_status import PROTOBUF
from alphapulse_api.record.inputs import MAX_BATCH
from alphapulse_api.runtime.slices import ON_LOOP_BYTES, Steps

JSON: Final = "application/json"
_VERSIONS: Final = {
    "prometheus.WriteRequest": remote_write.decoding_v1,
    "io.prometheus.write.v2.Request": remote_write.decoding_v2,
}
# The parameters that clients of InfluxDB send; only the precision has a meaning here.
_INFLUX: Final = frozenset({"org", "orgID", "bucket", "db", "rp", "consistency", "precision"})


async def prometheus_write(request: web.Request) -> web.Response:
    """Store the samples of a Prometheus remote write, version 1 or 2."""
    wire.require("google.protobuf", "cramjam")
    _check_query(request, frozenset())
    version = request.content_type == PROTOBUF and _version(request)
    if not version or version not in _VERSIONS:
        allowed = " or ".join(f"{PROTOBUF};proto={name}" for name in _VERSIONS)
        raise Problem(UNSUPPORTED_MEDIA, f"The Content-Type must be {allowed}.")
    data = await _unsnapped(await read_body(request, MAX_BODY_BYTES, "snappy"))
    intake, written = Intake(request.app[BACKEND], request[CALLER]), remote_write.Written()
    await intake.receive(_VERSIONS[version](data, intake, written))
    await intake.store()
    headers = {
        "X-Prometheus-Remote-Write-Samples-Written": str(written.samples),
        "X-Prometheus-Remote-Write-Histograms-Written": str(written.histograms),
        "X-Prometheus-Remote-Write-Exemplars-Written": "0",
    }
    _check_refused(intake, headers)
    return web.Response(status=204, headers=headers)


def _version(request: web.Request) -> str:
    _, _, parameters = request.headers["Content-Type"].partition(";")
    name, _, value = parameters.strip().partition("=")
    return value.strip() if name == "proto" else "prometheus.WriteRequest"


async def _unsnapped(body: bytes) -> bytes:
    """Decompress a block; its length is checked first, and snappy's ratio is at most some 22."""
    import cramjam

    if not body:
        raise Problem(BAD_REQUEST, "The body is empty.")
    size = 0
    for place, byte in enumerate(body[:5]):
        size |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            break
    if size > MAX_BODY_BYTES:
        raise Problem(TOO_LARGE, f"A body may have at most {MAX_BODY_BYTES} bytes.")

    def decompress() -> bytes:
        return bytes(cramjam.snappy.decompress_raw(body))

    try:
        # cramjam releases the interpreter lock.
        return await asyncio.to_thread(decompress) if size > ON_LOOP_BYTES else decompress()
    except cramjam.DecompressionError:
        raise Problem(BAD_REQUEST, "The body is not a block of snappy.") from None


async def otlp_metrics(request: web.Request) -> web.Response:
    """Store the metrics of an OTLP/HTTP export, protobuf or JSON."""
    wire.require("google.protobuf")
    _check_query(request, frozenset())
    intake = Intake(request.app[BACKEND], request[CALLER])
    await _receive(
        request,
        intake.receive,
        partial(otlp.decoding_protobuf, intake=intake),
        partial(decoding_json, intake=intake),
    )
    await intake.store()
    response = wire.message_class("ExportMetricsServiceResponse")()
    if intake.refused:
        response.partial_success.rejected_data_points = intake.refused
        response.partial_success.error_message = intake.summary
    return _exported(request, response)


async def otlp_traces(request: web.Request) -> web.Response:
    """Store the calls of models among the spans of an OTLP/HTTP export, protobuf or JSON.

    Other spans are dropped and counted.
    """
    wire.require("google.protobuf")
    _check_query(request, frozenset())
    backend = request.app[BACKEND]
    spans: list[Span] = []
    await _receive(
        request,
        backend.slices.run,
        partial(otlp_spans.decoding_protobuf, spans=spans),
        partial(otlp_spans.decoding_json, spans=spans),
    )
    calls = await backend.slices.run(calls_in(spans))
    backend.monitor.dropped_spans += len(spans) - len(calls.records) - len(calls.refused)
    feed = backend.views.of(request[CALLER]).feed
    reasons = calls.refused
    for begin in range(0, len(calls.records), MAX_BATCH):
        reasons += await feed.record_spans(calls.records[begin : begin + MAX_BATCH])
    response = wire.message_class("ExportTraceServiceResponse")()
    if reasons:
        response.partial_success.rejected_spans = len(reasons)
        response.partial_success.error_message = reasons[0]
    return _exported(request, response)


async def _receive(
    request: web.Request,
    run: Callable[[Steps[None]], Awaitable[None]],
    decoding_protobuf: Callable[[bytes], Steps[None]],
    decoding_json: Callable[[Any], Steps[None]],
) -> None:
    """Decode the body of an OTLP export, in either encoding."""
    if request.content_type == PROTOBUF:
        await run(decoding_protobuf(await read_body(request, MAX_BODY_BYTES)))
    elif request.content_type == JSON:
        await run(decoding_json(await _json(request)))
    else:
        raise Problem(UNSUPPORTED_MEDIA, f"Send {PROTOBUF} or {JSON}.")


def _exported(request: web.Request, response: Any) -> web.Response:
    """The answer to an OTLP export, in the encoding of the request."""
    from google.protobuf import json_format

    body: bytes = (
        response.SerializeToString()
        if request.content_type == PROTOBUF
        else dumps(json_format.MessageToDict(response))
    )
    return web.Response(body=body, content_type=request.content_type)


async def _json(request: web.Request) -> Any:
    body, slices = JsonBody(loads_floats, array=False), request.app[BACKEND].slices
    reader, last = BodyReader(request), False
    while not last:
        piece, last = await reader.piece()
        await slices.run(body.feed(piece))
    return await slices.run(body.end())


async def influx_write(request: web.Request) -> web.Response:
    """Store lines of InfluxDB's line protocol, as its API of version 2 or 1 takes them."""
    _check_query(request, _INFLUX)
    precision = request.query.get("precision", "ns")
    if precision not in PRECISIONS:
        raise ValidationProblem.parameter("precision", f"Must be one of {', '.join(PRECISIONS)}.")
    intake = Intake(request.app[BACKEND], request[CALLER])
    decoder = LineDecoder(intake, precision)
    reader, last = BodyReader(request, limit=None), False
    while not last:
        try:
            piece, last = await reader.piece()
        except Problem as problem:
            raise intake.counted(problem) from None
        await intake.receive(decoder.feed(piece, last=last))
    await intake.store()
    _check_refused(intake, code="invalid", message=intake.summary if intake.refused else "")
    return web.Response(status=204)


def _check_query(request: web.Request, allowed: frozenset[str]) -> None:
    if unknown := [name for name in request.query if name not in allowed]:
        # The value is not repeated: it may be a password, such as `p` of InfluxDB 1.
        raise ValidationProblem(
            [{"parameter": name[:100], "detail": "Unknown parameter."} for name in unknown[:100]]
        )


def _check_refused(intake: Intake, headers: dict[str, str] | None = None, **extra: str) -> None:
    """Raise a 400, which clients do not repeat, if some points were refused."""
    if intake.refused:
        extra_errors: dict[str, Any] = {"errors": intake.reasons, **extra}
        if omitted := intake.refused - len(intake.reasons):
            extra_errors["errors_omitted"] = omitted
        problem = Problem(BAD_REQUEST, intake.summary, headers=headers, **extra_errors)
        raise intake.counted(problem)
