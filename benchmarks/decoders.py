"""Part of entry `ingest`: the decoders of other protocols, beside a bare parser of the same bodies.

The bare parser does the minimum for any decoder: protobuf's or orjson's call for the whole body, or
the split of each line, and reading the time and value of each point. It names no series and
enforces no bounds. Both alternate in one process on one core; their CPU time counts.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Final, cast

import orjson
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from alphapulse_api.backend import Backend
from alphapulse_api.domain.encoding import loads_floats
from alphapulse_api.http.receivers import otlp, otlp_json, remote_write
from alphapulse_api.http.receivers.intake import Decoding, Intake
from alphapulse_api.http.receivers.line_protocol import LineDecoder
from tests.receivers import NOW_MS, attribute, export, field, gauge, number, sample, series, varint

from .harness import BenchmarkError
from .report import print_table

AIM: Final = 100_000  # points a second
BODIES: Final = 20
POINTS: Final = 500  # of a body
SERIES: Final = 20
ROUNDS: Final = 9

Figures = list[tuple[int, float]]  # time and value of each point
Decode = Callable[[bytes, Intake], Decoding]
Bare = Callable[[bytes], Figures]


def compare_decoders() -> None:
    """Measure and print."""
    rows = []
    for name, (body, decode, bare) in _cases().items():
        bodies = [body(count) for count in range(BODIES)]
        if any(len(bare(one)) != POINTS for one in bodies):
            raise BenchmarkError(f"{name}: the bare parser lacks points")
        _decoded(bodies, decode)  # names the series once
        ours, limits = [], []
        for _ in range(ROUNDS):
            ours.append(_seconds(_decoded, bodies, decode))
            limits.append(_seconds(_parsed, bodies, bare))
        rate = BODIES * POINTS / statistics.median(ours)
        limit = BODIES * POINTS / statistics.median(limits)
        ratio = statistics.median(b / a for a, b in zip(ours, limits, strict=True))
        judged = f"{AIM:,}: {'met' if rate >= AIM else 'MISSED'}"
        rows.append([name, f"{rate:,.0f}", judged, f"{limit:,.0f}", f"{ratio:.2f}"])
    print(f"\nPoints a second decoded on one core, {SERIES} series, {POINTS} points a body\n")
    print_table(("a body is", "points/s", "aim", "bare parser", "ratio"), rows)


def _decoded(bodies: list[bytes], decode: Decode) -> None:
    # A decoder needs only one setting of the backend.
    backend = cast(Backend, SimpleNamespace(config=SimpleNamespace(max_clock_ahead=300.0)))
    for body in bodies:
        intake = Intake(backend)
        for _ in decode(body, intake):
            pass
        if intake.refused:
            raise BenchmarkError(intake.summary)


def _parsed(bodies: list[bytes], bare: Bare) -> None:
    for body in bodies:
        bare(body)


def _seconds(work: Callable[[list[bytes], Any], None], bodies: list[bytes], how: Any) -> float:
    gc.collect()
    started = time.process_time()
    work(bodies, how)
    return time.process_time() - started


def _cases() -> dict[str, tuple[Callable[[int], bytes], Decode, Bare]]:
    classes = _classes()

    def bare_series(name: str, field_name: str) -> Bare:
        parse = classes[name].FromString
        return lambda body: [
            (one.timestamp, one.value)
            for entry in getattr(parse(body), field_name)
            for one in entry.samples
        ]

    def bare_otlp(body: bytes) -> Figures:
        (group,) = classes["Export"].FromString(body).groups
        points = group.scopes[0].metrics[0].gauge.points
        return [(point.time, point.value) for point in points]

    return {
        "InfluxDB lines": (_lines, _decode_lines, _bare_lines),
        "remote write 1": (_remote_write, _decode_1, bare_series("Write", "series")),
        "remote write 2": (_remote_write_2, _decode_2, bare_series("Write2", "series")),
        "OTLP protobuf": (_otlp, otlp.decoding_protobuf, bare_otlp),
        "OTLP JSON": (_otlp_json, _decode_json, _bare_json),
    }


# -- bodies ---------------------------------------------------------------------------------------


def _figures(count: int) -> Iterator[tuple[str, float, int]]:
    """Host, value and milliseconds of each point of a body."""
    for n in range(POINTS):
        yield f"h{n % SERIES}", n * 0.1, NOW_MS - count * POINTS - n


def _lines(count: int) -> bytes:
    lines = (f"cpu,host={h},region=eu value={v} {t}\n" for h, v, t in _figures(count))
    return "".join(lines).encode()


def _remote_write(count: int) -> bytes:
    return b"".join(
        series({"__name__": "cpu", "host": h, "region": "eu"}, sample(v, t))
        for h, v, t in _figures(count)
    )


def _remote_write_2(count: int) -> bytes:
    symbols = ["", "__name__", "cpu", "region", "eu", "host", *(f"h{n}" for n in range(SERIES))]
    place = {text: bytes(varint(n)) for n, text in enumerate(symbols)}

    def refs(host: str) -> bytes:
        pairs = ("__name__", "cpu", "region", "eu", "host", host)
        return field(1, b"".join(place[text] for text in pairs))

    entries = (field(5, refs(h) + field(2, sample(v, t))) for h, v, t in _figures(count))
    return b"".join((*(field(4, text) for text in symbols), *entries))


def _otlp(count: int) -> bytes:
    region = attribute("region", "eu")
    points = (
        number(v, attribute("host", h), region, ns=t * 1_000_000) for h, v, t in _figures(count)
    )
    return export(gauge("cpu", *points), resource=field(1, attribute("service.name", "bot")))


def _otlp_json(count: int) -> bytes:
    def pairs(**attributes: str) -> list[dict[str, Any]]:
        return [{"key": key, "value": {"stringValue": text}} for key, text in attributes.items()]

    points = [
        {"attributes": pairs(host=h, region="eu"), "timeUnixNano": f"{t}000000", "asDouble": v}
        for h, v, t in _figures(count)
    ]
    scope = {"metrics": [{"name": "cpu", "gauge": {"dataPoints": points}}]}
    resource = {"attributes": pairs(service="bot")}
    return orjson.dumps({"resourceMetrics": [{"resource": resource, "scopeMetrics": [scope]}]})


# -- decoders -------------------------------------------------------------------------------------


def _decode_lines(body: bytes, intake: Intake) -> Decoding:
    return LineDecoder(intake, "ms").feed(body, last=True)


def _decode_1(body: bytes, intake: Intake) -> Decoding:
    return remote_write.decoding_v1(body, intake, remote_write.Written())


def _decode_2(body: bytes, intake: Intake) -> Decoding:
    return remote_write.decoding_v2(body, intake, remote_write.Written())


def _decode_json(body: bytes, intake: Intake) -> Decoding:
    return otlp_json.decoding_json(loads_floats(body), intake)


def _bare_lines(body: bytes) -> Figures:
    figures = []
    for line in body.splitlines():
        _, values, instant = line.split(b" ")
        figures.append((int(instant), float(values.partition(b"=")[2])))
    return figures


def _bare_json(body: bytes) -> Figures:
    (group,) = orjson.loads(body)["resourceMetrics"]
    points = group["scopeMetrics"][0]["metrics"][0]["gauge"]["dataPoints"]
    return [(int(point["timeUnixNano"]), point["asDouble"]) for point in points]


_MESSAGES: Final[dict[str, dict[str, tuple[int, str]]]] = {
    "Pair": {"key": (1, "string"), "value": (2, "string")},
    "Sample": {"value": (1, "double"), "timestamp": (2, "int64")},
    "Series": {"labels": (1, "Pair*"), "samples": (2, "Sample*")},
    "Write": {"series": (1, "Series*")},
    "Series2": {"labels": (1, "uint32*"), "samples": (2, "Sample*")},
    "Write2": {"symbols": (4, "string*"), "series": (5, "Series2*")},
    "Value": {"text": (1, "string")},
    "Attribute": {"key": (1, "string"), "value": (2, "Value")},
    "Point": {"attributes": (7, "Attribute*"), "time": (3, "fixed64"), "value": (4, "double")},
    "Gauge": {"points": (1, "Point*")},
    "Metric": {"name": (1, "string"), "gauge": (5, "Gauge")},
    "Scope": {"metrics": (2, "Metric*")},
    "Resource": {"attributes": (1, "Attribute*")},
    "Group": {"resource": (1, "Resource"), "scopes": (2, "Scope*")},
    "Export": {"groups": (1, "Group*")},
}


def _classes() -> dict[str, Any]:
    """The messages of both protocols, with the fields that the bodies use."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="bare.proto", syntax="proto3")
    for message, fields in _MESSAGES.items():
        entry = file.message_type.add(name=message)
        for name, (place, text) in fields.items():
            added = entry.field.add(name=name, number=place)
            added.label = kinds.LABEL_REPEATED if "*" in text else kinds.LABEL_OPTIONAL
            kind = text.rstrip("*")
            if kind in _MESSAGES:
                added.type, added.type_name = kinds.TYPE_MESSAGE, f".{kind}"
            else:
                added.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return dict(message_factory.GetMessageClassesForFiles([file.name], pool))
