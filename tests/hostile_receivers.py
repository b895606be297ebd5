"""Hostile bodies in the protocols of Prometheus, OpenTelemetry and InfluxDB."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from tests.receivers import (
    NOW_MS,
    attribute,
    export,
    field,
    fixed,
    gauge,
    number,
    sample,
    series,
    snappy,
    varint,
)

PART: Final = 255 * 1024  # bytes of a series or data point, just below the bound
_EACH: Final = 25  # bytes of `size` for each of many records: 20,000 for half a mebibyte
_V1: Final = "application/x-protobuf"
_V2: Final = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
_NS: Final = NOW_MS * 1_000_000


class Body(NamedTuple):
    """A body: what is hostile about it, and how it is sent."""

    shape: str
    body: bytes
    media_type: str
    coding: str = ""


def receiver_bodies(protocol: str, size: int) -> Iterator[Body]:
    """The bodies for a receiver.

    Args:
        protocol: of the route.
        size: of a body, about.
    """
    match protocol:
        case "prometheus":
            for shape, body in _remote_write(size):
                yield Body(shape, snappy(body), _V1, "snappy")
            for shape, body in _remote_write_2(size):
                yield Body(shape, snappy(body), _V2, "snappy")
            yield Body("a length of 16 MiB, and no more", varint(16 << 20) + b"\x00", _V1, "snappy")
            yield Body("a length of 1 GiB", varint(1 << 30) + b"\x00", _V1, "snappy")
            yield Body("not snappy", b"\xff" * size, _V1, "snappy")
        case "otlp":
            for shape, body in _otlp(size):
                yield Body(shape, body, _V1)
                yield Body(shape, gzip.compress(body, 1), _V1, "gzip")
            for shape, body in _otlp_json(size):
                yield Body(f"JSON: {shape}", body, "application/json")
        case "influx":
            for shape, body in _lines(size):
                yield Body(shape, body, "text/plain")


def _repeated(tag: int, size: int) -> bytes:
    """Empty messages, two bytes each."""
    return field(tag, b"") * (size // 2)


def _remote_write(size: int) -> Iterator[tuple[str, bytes]]:
    name = {"__name__": "x"}
    yield "zeros", bytes(size)
    yield "many zeros", bytes(32 * size)
    yield "empty series", _repeated(1, size)
    yield "unknown fields", _repeated(9, size)
    yield "one long field", field(1, bytes(size))
    yield "empty labels of a series", field(1, _repeated(1, PART))
    yield "empty samples of a series", series(name, more=_repeated(2, PART))
    yield "empty histograms of a series", series(name, more=_repeated(4, PART))
    yield "unknown fields of a series", series(name, more=_repeated(9, PART))
    yield "a long label", series({"__name__": "x", "a": "b" * PART}, sample(1.0))
    yield "a long name", series({"__name__": "x" * PART}, sample(1.0))
    yield "a length that is not there", field(1, varint(1 << 30))
    wide = {"__name__": "x", **{f"label{n}": "y" * 50 for n in range(60)}}
    yield "series of 60 labels", series(wide, sample(1.0)) * (size // 4_000)
    different = (series({"__name__": "x", "a": str(n)}, sample(1.0)) for n in range(size // _EACH))
    yield "valid series", b"".join(different)
    samples = (sample(1.0, NOW_MS - n) for n in range(size // _EACH // 2))
    yield "valid samples of a series", series(name, *samples)


def _remote_write_2(size: int) -> Iterator[tuple[str, bytes]]:
    yield "symbols", _repeated(4, size)
    yield "empty series, version 2", _repeated(5, size)
    yield "references of a series", field(5, field(1, bytes(PART)))
    yield "one reference many times", field(4, "x" * PART) + field(5, field(1, bytes(128)))
    yield "references beyond the symbols", field(5, field(1, b"\x7f" * 100)) * (size // 100)
    symbols = b"".join(field(4, text) for text in ("", "__name__", "x"))
    refs = field(1, bytes((1, 2)))
    samples = (field(5, refs + field(2, sample(1.0, NOW_MS - n))) for n in range(size // _EACH))
    yield "valid series, version 2", symbols + b"".join(samples)


def _otlp(size: int) -> Iterator[tuple[str, bytes]]:
    yield "zeros", bytes(size)
    yield "empty resources", _repeated(1, size)
    yield "empty scopes", field(1, _repeated(2, size))
    yield "empty metrics", field(1, field(2, _repeated(2, size)))
    yield "empty points", export(gauge("x")[:-2] + field(5, _repeated(1, size)))
    yield "attributes of a point", export(gauge("x", number(1.0) + _repeated(7, PART)))
    yield "attributes of a resource", field(1, field(1, _repeated(1, PART)))
    one = field(5, _repeated(1, PART // 2))
    yield "an attribute of many values", export(gauge("x", number(1.0, attribute("a", one))))
    few = field(5, _repeated(1, 8_000))
    yield "an attribute of 4,000 values", export(gauge("x", number(1.0, attribute("a", few))))
    texts = field(5, field(1, field(1, "abc")) * (PART // 20))
    yield "an attribute of many texts", export(gauge("x", number(1.0, attribute("a", texts))))
    deep = b""
    for _ in range(5_000):
        deep = field(5, field(1, deep))
    yield "a deep attribute", export(gauge("x", number(1.0, attribute("a", deep))))
    long = attribute("a", "b" * PART)
    yield "a long attribute", export(gauge("x", number(1.0, long)))
    yield "a long name", export(gauge("x" * PART, number(1.0)))
    longer = b"".join(attribute(f"a{n}", "b" * 2_000) for n in range(60))
    refused = export(gauge("x", *[number(1.0) + field(7, longer)] * 2))
    yield "long attributes", refused
    hundred = tuple(attribute(f"a{n}", "b") for n in range(120))
    yield "points of 120 attributes", export(gauge("x", *[number(1.0, *hundred)] * (size // 1_500)))
    buckets = field(6, bytes(8 * (PART // 16))) + field(7, bytes(8 * (PART // 16)))
    yield "buckets", export(field(1, "x") + field(9, field(1, fixed(3, _NS) + buckets)))
    quantiles = fixed(3, _NS) + _repeated(6, PART)
    yield "quantiles", export(field(1, "x") + field(11, field(1, quantiles)))
    points = (number(1.0, attribute("a", str(n % 100)), ns=_NS - n) for n in range(size // _EACH))
    yield "valid points", export(gauge("x", *points))
    new = (number(1.0, attribute("a", str(n)), ns=_NS) for n in range(size // _EACH // 2))
    yield "valid series", export(gauge("x", *new))


def _otlp_json(size: int) -> Iterator[tuple[str, bytes]]:
    time = {"timeUnixNano": str(_NS)}

    def metrics(*points: Any, kind: str = "gauge") -> bytes:
        metric = {"name": "x", kind: {"dataPoints": points}}
        return json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}).encode()

    yield "empty resources", b'{"resourceMetrics":[%b{}]}' % (b"{}," * (size // 3))
    yield "nested arrays", b'{"resourceMetrics":' + b"[" * size
    yield "empty points", metrics(*[{}] * 4_000)
    yield "unusual points", metrics(*[{**time, "asDouble": "1"}] * 2_000)
    keys = {f"k{n}": 1 for n in range(4_900)}
    yield "4,900 keys of a point", metrics({**time, **keys})
    empty = {"attributes": [{}] * 4_900}
    yield "4,900 attributes", metrics({**time, **empty, "asInt": 1})
    pairs = [{"key": f"a{n}", "value": {"stringValue": "b"}} for n in range(1_200)]
    yield "1,200 valid attributes", metrics({**time, "attributes": pairs, "asInt": 1})
    wide = [{"key": f"a{n}", "value": {"stringValue": "b" * 50}} for n in range(100)]
    yield (
        "20 points of 100 attributes",
        metrics(*({**time, "attributes": [*wide, {"key": str(n)}], "asInt": 1} for n in range(12))),
    )
    values = {"arrayValue": {"values": [{"intValue": 1}] * 2_000}}
    some = {"arrayValue": {"values": [{"intValue": 1}] * 1_000}}
    points = [
        {**time, "attributes": [{"key": str(n), "value": some}], "asInt": 1} for n in range(4)
    ]
    yield "points of 1,000 values", metrics(*points)
    many = [{"key": "a", "value": values}]
    yield "an attribute of 2,000 values", metrics({**time, "attributes": many, "asInt": 1})
    deep: dict[str, Any] = {}
    for _ in range(50):
        deep = {"arrayValue": {"values": [deep]}}
    yield "a deep attribute", metrics({"attributes": [{"key": "a", "value": deep}]})
    yield "digits", metrics({**time, "asInt": "9" * 200_000})
    yield "digits of a fraction", metrics({**time, "asDouble": "0." + "9" * 200_000})
    buckets = {"bucketCounts": ["1"] * 2_000, "explicitBounds": list(range(1_999))}
    yield "2,000 buckets", metrics({**time, **buckets}, kind="histogram")
    buckets = {"bucketCounts": ["1"] * 200, "explicitBounds": list(range(199))}
    yield "points of 200 buckets", metrics(*[{**time, **buckets}] * 4, kind="histogram")
    quantiles = {"quantileValues": [{"quantile": 0.5, "value": 1}] * 200}
    yield "points of 200 quantiles", metrics(*[{**time, **quantiles}] * 3, kind="summary")
    examples = {"exemplars": [{"asInt": 1, "filteredAttributes": [{}]}] * 1_000}
    yield "1,000 exemplars", metrics({**time, **examples, "asInt": 1})
    points = ({"timeUnixNano": str(_NS - n), "asInt": n} for n in range(2_000))
    yield "2,000 valid points", metrics(*points)


def _lines(size: int) -> Iterator[tuple[str, bytes]]:
    yield "empty lines", b"\n" * size
    yield "comments", b"#\n" * (size // 2)
    yield "refused lines", b"x\n" * (size // 2)
    yield "refused values", b"x a=b\n" * (size // 6)
    yield "one line", b"x" * size
    fields = ",".join(f"f{n}=1" for n in range(4_900))
    yield "4,900 fields", f"x {fields}\n".encode() * (size // len(fields))
    tags = ",".join(f"t{n}=a" for n in range(4_900))
    yield "4,900 tags", f"x,{tags} value=1\n".encode() * (size // len(tags))
    yield "escapes", b"x" + rb"\,a" * (PART // 3) + b" value=1\n"
    yield "a text of many lines", b'x a="' + b"\n" * size
    yield "texts of 60 lines", (b'x a="' + b"b\n" * 60 + b'"\n') * (size // 128)
    yield "long texts of lines", (b'x a="' + (b"b" * 3_000 + b"\n") * 60 + b'"\n') * 3
    yield "a long text", b'x a="' + rb"\"" * (PART // 2) + b'"\n'
    yield "digits", b"x value=" + b"1" * PART + b"\n"
    yield "digits of a time", b"x value=1 " + b"1" * PART + b"\n"
    lines = (f"x,a={n % 100} value=1 {_NS - n * 1000}\n".encode() for n in range(size // _EACH))
    yield "valid lines", b"".join(lines)
    new = (f"x,a={n} value=1 {_NS}\n".encode() for n in range(size // _EACH // 2))
    yield "valid series", b"".join(new)
