"""OTLP metrics, as protobuf and as JSON, as points.

The labels of a point are its own attributes and those of its resource, except `telemetry.*`, which
describe the SDK. Gauges and sums are points of the metric's name, as they were sent, cumulative or
delta. A histogram is `<name>_count`, `_sum`, `_min`, `_max`, and `_bucket` with the label `le`,
cumulative as in Prometheus; an exponential histogram the same without buckets; a summary
`<name>_count`, `_sum`, and the name itself with the label `quantile`. Scopes and exemplars are
skipped.

Source: https://opentelemetry.io/docs/specs/otlp/ and opentelemetry/proto/metrics/v1/metrics.proto.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Any, Final

from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.errors import BAD_REQUEST, Problem
from alphapulse_api.domain.points import SeriesName
from alphapulse_api.http.receivers.intake import Decoding, Intake, named
from alphapulse_api.http.receivers.naming import (
    REMEMBERED_BYTES,
    SERIES_REMEMBERED,
    series_named,
)
from alphapulse_api.http.receivers.wire import Walk, message_class, parse

PROTOCOL: Final = "otlp"
MAX_ATTRIBUTES: Final = 128  # that are decoded at all; a series may keep 16 labels
STEP: Final = 32
_NO_VALUE: Final = 1  # DataPointFlags: no recorded value
# By the field of Metric and its JSON name: the message of a data point.
_KINDS: Final = {
    (5, "gauge"): "NumberDataPoint",
    (7, "sum"): "NumberDataPoint",
    (9, "histogram"): "HistogramDataPoint",
    (10, "exponentialHistogram"): "ExponentialHistogramDataPoint",
    (11, "summary"): "SummaryDataPoint",
}
_BY_NUMBER: Final = {number: message for (number, _), message in _KINDS.items()}

Attributes = tuple[bytes, ...]
Extra = tuple[str, str] | None  # a label that the data point itself does not have
Figure = tuple[str, Extra, float]  # suffix of the name, label, value


def decoding_protobuf(data: bytes, intake: Intake) -> Decoding:
    """Decode an ExportMetricsServiceRequest."""
    walk = Walk(data)
    for number, start, end in walk.fields():
        if number != 1:
            continue
        resource: Attributes = ()
        for inner, a, b in walk.fields(start, end):
            if inner == 1:
                resource = tuple(parse("Resource", data[a:b]).attributes)
            yield
        for inner, a, b in walk.fields(start, end):
            if inner == 2:
                yield from _scope(walk, a, b, resource, intake)
            yield


def _scope(walk: Walk, start: int, end: int, resource: Attributes, intake: Intake) -> Decoding:
    for number, a, b in walk.fields(start, end):
        if number == 2:
            yield from _metric(walk, a, b, resource, intake)
        yield


def _metric(walk: Walk, start: int, end: int, resource: Attributes, intake: Intake) -> Decoding:
    data = walk.data
    name = ""
    for count, (number, a, b) in enumerate(walk.fields(start, end)):
        if number == 1:
            name = _utf8(data[a:b])
        if count % STEP == 0:
            yield
    for number, a, b in walk.fields(start, end):
        if (message := _BY_NUMBER.get(number)) is None:
            continue
        for count, (inner, c, d) in enumerate(walk.fields(a, b)):
            if inner == 1:
                yield from _adding(message, parse(message, data[c:d]), name, resource, intake)
            if count % STEP == 0:
                yield


def decoding_json(body: Any, intake: Intake) -> Decoding:
    """Decode the same as parsed JSON (protobuf's own mapping, with ids in hexadecimal)."""
    for group in _dicts(body, "resourceMetrics"):
        resource = _attributes(group.get("resource", {}))
        for scope in _dicts(group, "scopeMetrics"):
            for metric in _dicts(scope, "metrics"):
                for (_, key), message in _KINDS.items():
                    for point in _dicts(metric.get(key, {}), "dataPoints"):
                        name = metric.get("name", "")
                        if not isinstance(name, str):
                            raise _not_otlp()
                        fields = {k: v for k, v in point.items() if k != "attributes"}
                        parsed = _from_json(message, fields)
                        parsed.attributes.extend(_attributes(point))
                        yield from _adding(message, parsed, name, resource, intake)
                        yield
                yield


def _dicts(value: Any, key: str) -> Iterator[dict[str, Any]]:
    if not isinstance(value, dict):
        raise _not_otlp()
    items = value.get(key, ())
    if not isinstance(items, list | tuple) or not all(isinstance(item, dict) for item in items):
        raise _not_otlp()
    yield from items


def _attributes(value: Any) -> Attributes:
    pairs = [_from_json("KeyValue", pair) for pair in _dicts(value, "attributes")]
    return tuple(pair.SerializeToString() for pair in pairs)


def _from_json(message: str, value: dict[str, Any]) -> Any:
    from google.protobuf import json_format

    try:
        return json_format.ParseDict(value, message_class(message)(), ignore_unknown_fields=True)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError):
        raise _not_otlp() from None


def _not_otlp() -> Problem:
    return Problem(BAD_REQUEST, "The body is not an ExportMetricsServiceRequest of OTLP.")


def _utf8(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise _not_otlp() from None


def _adding(message: str, point: Any, name: str, resource: Attributes, intake: Intake) -> Decoding:
    instant = point.time_unix_nano // 1000
    if len(point.attributes) + len(resource) > MAX_ATTRIBUTES:
        intake.refuse(f"a data point has over {MAX_ATTRIBUTES} attributes")
        return
    attributes = tuple(point.attributes)
    size = len(name) + sum(map(len, attributes)) + sum(map(len, resource))
    find = _remembered if size <= REMEMBERED_BYTES else _named
    refused = ""
    for count, (suffix, extra, value) in enumerate(_figures(message, point), 1):
        series = find(resource, name + suffix, attributes, extra)
        if isinstance(series, str):
            refused = refused or series
        elif not refused and not intake.add(series, instant, value):
            return  # a data point counts once, however many figures it has
        if count % STEP == 0:
            yield
    if refused:
        intake.refuse(refused)


def _figures(message: str, point: Any) -> Iterator[Figure]:
    """What is stored of a data point."""
    if message == "NumberDataPoint":
        if point.flags & _NO_VALUE:
            yield "", None, float("nan")
        else:
            yield "", None, point.as_double if point.HasField("as_double") else float(point.as_int)
        return
    if point.flags & _NO_VALUE:
        yield "_count", None, float("nan")
        return
    yield "_count", None, float(point.count)
    if message == "SummaryDataPoint":
        yield "_sum", None, point.sum
        for entry in point.quantile_values:
            yield "", ("quantile", f"{entry.quantile:g}"), entry.value
        return
    for figure in ("sum", "min", "max"):
        if point.HasField(figure):
            yield f"_{figure}", None, getattr(point, figure)
    if message == "HistogramDataPoint" and point.bucket_counts:
        bounds = [f"{bound:g}" for bound in point.explicit_bounds]
        for bound, total in zip((*bounds, "+Inf"), accumulate(point.bucket_counts), strict=False):
            yield "_bucket", ("le", bound), float(total)


@lru_cache(maxsize=SERIES_REMEMBERED)
def _remembered(
    resource: Attributes, name: str, attributes: Attributes, extra: Extra
) -> SeriesName | str:
    return _named(resource, name, attributes, extra)


def _named(
    resource: Attributes, name: str, attributes: Attributes, extra: Extra
) -> SeriesName | str:
    return named(lambda: _series(resource, name, attributes, extra))


def _series(resource: Attributes, name: str, attributes: Attributes, extra: Extra) -> SeriesName:
    labels: dict[str, str] = {}
    for data in resource:
        pair = parse("KeyValue", data)
        if not pair.key.startswith("telemetry."):
            labels[pair.key] = _label(pair.value)
    for data in attributes:
        pair = parse("KeyValue", data)
        labels[pair.key] = _label(pair.value)
    if extra is not None:
        labels[extra[0]] = extra[1]
    return series_named(PROTOCOL, name, labels)


def _label(value: Any) -> str:
    """An attribute as text: what is not text as JSON, bytes in base64."""
    plain = _plain(value)
    return plain if isinstance(plain, str) else dumps(plain).decode()


def _plain(value: Any) -> Any:
    kind = next((field.name for field, _ in value.ListFields()), None)
    if kind is None:
        return ""
    inner = getattr(value, kind)
    if kind == "array_value":
        return [_plain(item) for item in inner.values]
    if kind == "kvlist_value":
        return {pair.key: _plain(pair.value) for pair in inner.values}
    return base64.b64encode(inner).decode() if kind == "bytes_value" else inner
