"""Bodies in the protocols of other systems, put together byte by byte."""

from __future__ import annotations

import struct
import time
from typing import Final

import cramjam

NOW_MS: Final = time.time_ns() // 1_000_000 - 60_000
SNAPPY: Final = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
SNAPPY_2: Final = {
    "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    "Content-Encoding": "snappy",
}
PROTOBUF: Final = {"Content-Type": "application/x-protobuf"}
STALE: Final = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]


def varint(number: int) -> bytes:
    """A varint; negative numbers have ten bytes."""
    number &= (1 << 64) - 1
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*made, number))


def field(number: int, value: bytes | str | float | int) -> bytes:
    """One field: text and bytes by their length, floats as doubles, ints as varints."""
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def sample(value: float, milliseconds: int = NOW_MS) -> bytes:
    """A Sample of remote write."""
    return field(1, value) + field(2, milliseconds)


def series(labels: dict[str, str], *samples: bytes, more: bytes = b"") -> bytes:
    """A TimeSeries as a field of a WriteRequest."""
    pairs = b"".join(field(1, field(1, k) + field(2, v)) for k, v in labels.items())
    return field(1, pairs + b"".join(field(2, s) for s in samples) + more)


def snappy(data: bytes) -> bytes:
    """A block of snappy."""
    return bytes(cramjam.snappy.compress_raw(data))


def fixed(number: int, value: int) -> bytes:
    """A fixed64 field."""
    return varint(number << 3 | 1) + struct.pack("<Q", value)


def attribute(key: str, value: bytes | str) -> bytes:
    """A KeyValue; bytes are an encoded AnyValue."""
    return field(1, key) + field(2, value if isinstance(value, bytes) else field(1, value))


def export(*metrics: bytes, resource: bytes = b"") -> bytes:
    """An ExportMetricsServiceRequest of one resource and scope."""
    scope = b"".join(field(2, metric) for metric in metrics)
    return field(1, field(1, resource) + field(2, scope))


def gauge(name: str, *points: bytes) -> bytes:
    """A Metric."""
    return field(1, name) + field(5, b"".join(field(1, point) for point in points))


def number(value: float, *attributes: bytes, ns: int = NOW_MS * 1_000_000) -> bytes:
    """A NumberDataPoint."""
    pairs = b"".join(field(7, pair) for pair in attributes)
    return pairs + fixed(3, ns) + field(4, value)
