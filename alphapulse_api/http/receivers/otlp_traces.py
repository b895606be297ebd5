"""OTLP traces, protobuf and JSON, as spans with the attributes that are read here.

Source: https://opentelemetry.io/docs/specs/otlp/ and opentelemetry/proto/trace/v1/trace.proto.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from alphapulse_api.domain.errors import BAD_REQUEST, Problem
from alphapulse_api.http.receivers.genai import Span
from alphapulse_api.http.receivers.wire import Walk, parse
from alphapulse_api.runtime.slices import Steps

MAX_ATTRIBUTES: Final = 256  # of a span that are looked at
STEP: Final = 16  # spans
_READ: Final = ("gen_ai.", "alphapulse.", "service.name")
_LONGEST: Final = 256  # characters of an attribute: prompts may be among them
_KINDS: Final = ("string_value", "int_value", "double_value", "bool_value")
_JSON_KINDS: Final = ("stringValue", "intValue", "doubleValue", "boolValue")


def decoding_protobuf(data: bytes, spans: list[Span]) -> Steps[None]:
    """Decode an ExportTraceServiceRequest, and append its spans."""
    walk = Walk(data)
    for number, start, end in walk.fields():
        yield
        if number != 1:
            continue
        service = ""
        for inner, a, b in walk.fields(start, end):
            if inner == 1:
                resource = parse("Resource", data[a:b]).attributes
                found = _attributes(parse("KeyValue", pair) for pair in resource[:MAX_ATTRIBUTES])
                service = str(found.get("service.name", ""))
            yield
        for inner, a, b in walk.fields(start, end):
            if inner == 2:
                for field, c, d in walk.fields(a, b):
                    if field == 2:
                        spans.append(_span(parse("Span", data[c:d]), service))
                    yield
            yield


def _span(span: Any, service: str) -> Span:
    return Span(
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _attributes(parse("KeyValue", pair) for pair in span.attributes[:MAX_ATTRIBUTES]),
        service,
    )


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        if not pair.key.startswith(_READ):
            continue
        for kind in _KINDS:
            if pair.value.HasField(kind):
                found[pair.key] = _short(getattr(pair.value, kind))
    return found


def decoding_json(body: Any, spans: list[Span]) -> Steps[None]:
    """Decode a parsed ExportTraceServiceRequest, and append its spans.

    Raises:
        Problem: 400 if it is not one.
    """
    for group in _dicts(body, "resourceSpans"):
        resource = group.get("resource") or {}
        service = str(_json_attributes(resource).get("service.name", ""))
        for scope in _dicts(group, "scopeSpans"):
            for count, span in enumerate(_dicts(scope, "spans"), 1):
                spans.append(
                    Span(
                        str(span.get("traceId", "")).lower(),
                        str(span.get("spanId", "")).lower(),
                        str(span.get("parentSpanId", "")).lower(),
                        _integer(span.get("startTimeUnixNano", 0)),
                        _integer(span.get("endTimeUnixNano", 0)),
                        _json_attributes(span),
                        service,
                    )
                )
                if count % STEP == 0:
                    yield
            yield
        yield


def _json_attributes(holder: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in _dicts(holder, "attributes")[:MAX_ATTRIBUTES]:
        key, value = pair.get("key"), pair.get("value")
        if not isinstance(key, str) or not key.startswith(_READ) or not isinstance(value, dict):
            continue
        for kind in _JSON_KINDS:
            if kind in value:
                given = value[kind]
                found[key] = _integer(given) if kind == "intValue" else _short(given)
    return found


def _dicts(holder: Any, name: str) -> list[Mapping[str, Any]]:
    """The objects in a list that may be absent."""
    if not isinstance(holder, dict):
        raise not_traces()
    items = holder.get(name) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise not_traces()
    return items


def _integer(value: Any) -> int:
    """An integer of 64 bits, which JSON has as text."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise not_traces() from None


def _short(value: Any) -> Any:
    return value[:_LONGEST] if isinstance(value, str) else value


def not_traces() -> Problem:
    """The refusal of a body that is not OTLP."""
    return Problem(BAD_REQUEST, "The body is not an ExportTraceServiceRequest of OTLP.")
