"""OTLP metrics as JSON: protobuf's own mapping, with ids in hexadecimal.

The parser of protobuf takes some 40 µs for a message of JSON, and a data point with its attributes
is several. So equal attributes are parsed once, and points of gauges and sums are read here if
their members have the usual types. Everything else goes through that parser.

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
    NUMBER,
    Attributes,
    add_number,
    adding,
    not_otlp,
)
from alphapulse_api.http.receivers.wire import message_class

STEP: Final = 16
_USUAL: Final = frozenset({"attributes", "startTimeUnixNano", "timeUnixNano", "asDouble", "asInt"})
_MAX_DIGITS: Final = 19  # of an integer of 64 bits, at which every such number fits
_INT_64: Final = range(-(1 << 63), 1 << 63)


def decoding_json(body: Any, intake: Intake) -> Decoding:
    """Decode a parsed ExportMetricsServiceRequest.

    Raises:
        Problem: 400 if it is none.
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


def _points(message: str, points: Any, name: str, resource: Attributes, intake: Intake) -> Decoding:
    for count, point in enumerate(_dicts(points, "dataPoints"), 1):
        attributes = _attributes(point)
        if message == NUMBER and (usual := _usual(point)) is not None:
            add_number(attributes, name, resource, *usual, intake)
        else:
            fields = {key: value for key, value in point.items() if key != "attributes"}
            parsed = _from_json(message, fields)
            parsed.attributes.extend(attributes)
            yield from adding(message, parsed, name, resource, intake)
            yield
        if count % STEP == 0:
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
    """An integer of 64 bits, which JSON has as text or as a number."""
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


def _attributes(value: Any) -> Attributes:
    if not isinstance(value, dict):
        raise not_otlp()
    attributes = value.get("attributes")
    if not attributes:
        return () if attributes in (None, []) else _serialized(value)
    text = dumps(attributes)
    return _remembered(text) if len(text) <= REMEMBERED_BYTES else _serialized(value)


@lru_cache(maxsize=SERIES_REMEMBERED)
def _remembered(text: bytes) -> Attributes:
    return _serialized({"attributes": loads_floats(text)})


def _serialized(value: dict[str, Any]) -> Attributes:
    """Each attribute as a KeyValue in protobuf, in which all decoders name series."""
    pairs = [_from_json("KeyValue", pair) for pair in _dicts(value, "attributes")]
    return tuple(pair.SerializeToString() for pair in pairs)


def _from_json(message: str, value: dict[str, Any]) -> Any:
    from google.protobuf import json_format

    try:
        return json_format.ParseDict(value, message_class(message)(), ignore_unknown_fields=True)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError):
        raise not_otlp() from None
