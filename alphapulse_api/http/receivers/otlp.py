"""OTLP metrics as points: what protobuf and JSON share, and the decoder of protobuf.

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
from alphapulse_api.http.receivers.wire import Walk, parse

PROTOCOL: Final = "otlp"
# Bounds on what is decoded at all; a series may have 16 labels. An attribute may be a list.
MAX_ATTRIBUTES: Final = 128
MAX_ATTRIBUTE_BYTES: Final = 8192  # of a data point and its resource together
STEP: Final = 32
_NO_VALUE: Final = 1  # DataPointFlags: no recorded value
NUMBER: Final = "NumberDataPoint"
# By the field of Metric and its JSON name: the message of a data point.
KINDS: Final = {
    (5, "gauge"): NUMBER,
    (7, "sum"): NUMBER,
    (9, "histogram"): "HistogramDataPoint",
    (10, "exponentialHistogram"): "ExponentialHistogramDataPoint",
    (11, "summary"): "SummaryDataPoint",
}
_BY_NUMBER: Final = {number: message for (number, _), message in KINDS.items()}

Attributes = tuple[bytes, ...]
Extra = tuple[str, str] | None  # a label that the data point itself does not have
Figure = tuple[str, Extra, float]  # suffix of the name, label, value


def decoding_protobuf(data: bytes, intake: Intake) -> Decoding:
    """Decode an ExportMetricsServiceRequest."""
    walk = Walk(data)
    for number, start, end in walk.fields():
        yield
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
        yield
        if (message := _BY_NUMBER.get(number)) is None:
            continue
        for count, (inner, c, d) in enumerate(walk.fields(a, b)):
            if inner == 1:
                yield from adding(message, parse(message, data[c:d]), name, resource, intake)
            if count % STEP == 0:
                yield


def not_otlp() -> Problem:
    """The refusal of a body that is not OTLP."""
    return Problem(BAD_REQUEST, "The body is not an ExportMetricsServiceRequest of OTLP.")


def _utf8(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise not_otlp() from None


def adding(message: str, point: Any, name: str, resource: Attributes, intake: Intake) -> Decoding:
    """Add the points that are stored of a data point; `message` is its message's name."""
    instant = point.time_unix_nano // 1000
    attributes = tuple(point.attributes)
    if message == NUMBER:
        add_number(attributes, name, resource, instant, _number(point), intake)
        return
    find = _finder(attributes, name, resource, intake)
    if find is None:
        return
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


def add_number(
    attributes: Attributes,
    name: str,
    resource: Attributes,
    instant: int,
    value: float,
    intake: Intake,
) -> None:
    """Add a point of a gauge or a sum.

    Args:
        attributes: the point's own, as encoded KeyValues.
        name: the name of its metric.
        resource: the attributes of its resource.
        instant: in microseconds since the epoch.
        value: NaN where none was recorded.
        intake: takes it.
    """
    find = _finder(attributes, name, resource, intake)
    if find is None:
        return
    series = find(resource, name, attributes, None)
    if isinstance(series, str):
        intake.refuse(series)
    else:
        intake.add(series, instant, value)


def _finder(attributes: Attributes, name: str, resource: Attributes, intake: Intake) -> Any:
    """A function that finds the series; None if the data point is refused."""
    if len(attributes) + len(resource) > MAX_ATTRIBUTES:
        intake.refuse(f"a data point has over {MAX_ATTRIBUTES} attributes")
        return None
    size = sum(map(len, attributes)) + sum(map(len, resource))
    if size > MAX_ATTRIBUTE_BYTES:
        intake.refuse(f"the attributes have over {MAX_ATTRIBUTE_BYTES} bytes")
        return None
    return _remembered if len(name) + size <= REMEMBERED_BYTES else _named


def _number(point: Any) -> float:
    if point.flags & _NO_VALUE:
        return float("nan")
    return float(point.as_double if point.HasField("as_double") else point.as_int)


def _figures(message: str, point: Any) -> Iterator[Figure]:
    """The figures that are stored of a histogram or a summary."""
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
    """An attribute as text: bytes in base64, and other values that are not text as JSON."""
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
