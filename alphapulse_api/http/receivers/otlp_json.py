"""OTLP metrics as JSON: protobuf's own mapping, with ids in hexadecimal.

protobuf's parser takes 8 to 14 µs for a message of JSON, and a data point with its attributes is
several messages. So equal attributes are parsed once, and points of gauges and sums are read here
if their members have the usual types. Everything else goes through that parser.

Source: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from alphapulse_api.domain.encoding import dumps, loads_floats
from alphapulse_api.http.receivers.intake import Decoding, Intake
from alphapulse_api.http.receivers.naming import REMEMBERED_BYTES, SERIES_REMEMBERED
from alphapulse_api.http.receivers.otlp import (
    KINDS,
    MAX_ATTRIBUTES,
    NUMBER,
    Attributes,
    add_number,
    adding,
    not_otlp,
)
from alphapulse_api.http.receivers.wire import message_class

STEP: Final = 64  # data points and attributes
_USUAL: Final = frozenset({"attributes", "startTimeUnixNano", "timeUnixNano", "asDouble", "asInt"})
MAX_ATTRIBUTE_TEXT: Final = 16 * 1024  # bytes of JSON, twice what protobuf takes for them
MAX_PARSED_TEXT: Final = 4096  # bytes of it that go through protobuf's parser: some 5 ms
MAX_LISTED: Final = 200  # buckets or quantiles of a data point: some 3 ms of that parser
_NOT_PARSED: Final = ("attributes", "exemplars")
_MAX_DIGITS: Final = 19  # of an integer of 64 bits, at which every such number fits
_INT_64: Final = range(-(1 << 63), 1 << 63)


def decoding_json(body: Any, intake: Intake) -> Decoding:
    """Decode a parsed ExportMetricsServiceRequest.

    Raises:
        Problem: 400 if it is not one.
    """
    for group in _dicts(body, "resourceMetrics"):
        resource = _attributes(group.get("resource", {}))
        for scope in _dicts(group, "scopeMetrics"):
            for metric in _dicts(scope, "metrics"):
                name = metric.get("name", "")
                if not isinstance(name, str):
                    raise not_otlp()
                for (_, key), message in KINDS.items():
                    if key in metric:
                        yield from _points(message, metric[key], name, resource, intake)
                yield
            yield
        yield


def _points(
    message: str, points: Any, name: str, resource: Attributes | str, intake: Intake
) -> Decoding:
    work = 0
    for point in _dicts(points, "dataPoints"):
        attributes = _attributes(point)
        work += 1 + len(attributes)
        if work >= STEP:
            work = 0
            yield
        if isinstance(attributes, str):
            intake.refuse(attributes)
        elif isinstance(resource, str):
            intake.refuse(resource)
        elif message == NUMBER and (usual := _usual(point)) is not None:
            add_number(attributes, name, resource, *usual, intake)
        else:
            fields = {key: value for key, value in point.items() if key not in _NOT_PARSED}
            if any(len(value) > MAX_LISTED for value in fields.values() if isinstance(value, list)):
                intake.refuse(f"a data point of JSON has over {MAX_LISTED} buckets or quantiles")
                continue
            parsed = _from_json(message, fields)
            parsed.attributes.extend(attributes)
            yield from adding(message, parsed, name, resource, intake)
            yield


def _usual(point: dict[str, Any]) -> tuple[int, float] | None:
    """The time in microseconds and the value of a NumberDataPoint, if its members are as usual."""
    if not point.keys() <= _USUAL:
        return None
    nanos = _integer(point.get("timeUnixNano"))
    if nanos is None or nanos < 0:
        return None
    value = point.get("asDouble")
    if value is None:
        value = _integer(point.get("asInt"))
    elif type(value) not in (float, int) or "asInt" in point:
        return None
    return None if value is None else (nanos // 1000, float(value))


def _integer(value: Any) -> int | None:
    """An integer of 64 bits, which is text or a number in JSON."""
    if type(value) is str:
        digits = value[1:] if value[:1] == "-" else value
        if len(digits) >= _MAX_DIGITS + 1 or not (digits.isascii() and digits.isdigit()):
            return None
        value = int(value)
    return value if type(value) is int and value in _INT_64 else None


def _dicts(value: Any, key: str) -> Iterator[dict[str, Any]]:
    if not isinstance(value, dict):
        raise not_otlp()
    items = value.get(key, ())
    if not isinstance(items, list | tuple) or not all(isinstance(item, dict) for item in items):
        raise not_otlp()
    yield from items


def _attributes(value: Any) -> Attributes | str:
    """The attributes as encoded KeyValues, by which all decoders name series; or why not."""
    attributes = value.get("attributes") if isinstance(value, dict) else ()
    if attributes in (None, []):
        return ()
    if not isinstance(attributes, list):
        raise not_otlp()
    if len(attributes) > MAX_ATTRIBUTES:
        return f"a data point has over {MAX_ATTRIBUTES} attributes"
    text = dumps(attributes)
    if len(text) > MAX_ATTRIBUTE_TEXT:
        return f"the attributes have over {MAX_ATTRIBUTE_TEXT} bytes"
    return (_remembered if len(text) <= REMEMBERED_BYTES else _serialized)(text)


def _serialized(text: bytes) -> Attributes | str:
    encoded = []
    parsed_bytes = 0
    for pair in loads_floats(text):
        match pair:
            case {"key": str() as key, "value": {"stringValue": str() as value}, **more} if (
                not more
            ):
                made = message_class("KeyValue")(key=key, value={"string_value": value})
            case dict():
                parsed_bytes += len(dumps(pair))
                if parsed_bytes > MAX_PARSED_TEXT:
                    return f"the attributes that are no text have over {MAX_PARSED_TEXT} bytes"
                made = _from_json("KeyValue", pair)
            case _:
                raise not_otlp()
        encoded.append(made.SerializeToString())
    return tuple(encoded)


@lru_cache(maxsize=SERIES_REMEMBERED)
def _remembered(text: bytes) -> Attributes | str:
    return _serialized(text)


def _from_json(message: str, value: dict[str, Any]) -> Any:
    from google.protobuf import json_format

    try:
        return json_format.ParseDict(value, message_class(message)(), ignore_unknown_fields=True)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError):
        raise not_otlp() from None
