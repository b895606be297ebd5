"""Decodes protobuf in steps: walks messages by hand, and parses only their small parts.

The parser holds the interpreter lock until it returns, and would make objects of everything that a
large message contains. So levels that may be large are walked, and the messages below them have at
most 256 KiB. Those are declared here, with the fields that we read; others are skipped. Labels are
declared as bytes: equal bytes are the same series, which is then found without decoding them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any, Final

from alphapulse_api.domain.errors import BAD_REQUEST, NOT_IMPLEMENTED, TOO_LARGE, Problem

MAX_MESSAGE: Final = 256 * 1024  # bytes of what is parsed at once, as of a JSON record
MAX_FIELDS: Final = 1 << 20  # walked in a body, as values of a JSON body
MISSING: Final = (
    'This needs packages that are not installed here: pip install "alphapulse_api[ingest]"'
)

_Range = tuple[int, int, int]  # field number, where its value begins and ends
NUMBER: Final = 0  # stands for the number of a field that is not length-delimited

_REPEATED: Final = "*"
# By message: its fields' numbers and types. "*" marks a list, "?" a field that may be absent.
_MESSAGES: Final[Mapping[str, Mapping[str, tuple[int, str]]]] = {
    # prometheus/prompb/types.proto
    "Label": {"name": (1, "string"), "value": (2, "string")},
    "Sample": {"value": (1, "double"), "timestamp": (2, "int64")},
    "Histogram": {
        "count_int": (1, "uint64"), "count_float": (2, "double"), "sum": (3, "double"),
        "timestamp": (15, "int64"),
    },
    "TimeSeries": {
        "labels": (1, "bytes*"), "samples": (2, "Sample*"), "histograms": (4, "Histogram*"),
    },
    # prometheus/prompb/io/prometheus/write/v2/types.proto
    "TimeSeries2": {
        "labels_refs": (1, "uint32*"), "samples": (2, "Sample*"), "histograms": (3, "Histogram*"),
    },
    # opentelemetry/proto/common/v1/common.proto
    "AnyValue": {
        "string_value": (1, "string?"), "bool_value": (2, "bool?"), "int_value": (3, "int64?"),
        "double_value": (4, "double?"), "array_value": (5, "ArrayValue?"),
        "kvlist_value": (6, "KeyValueList?"), "bytes_value": (7, "bytes?"),
    },
    "ArrayValue": {"values": (1, "AnyValue*")},
    "KeyValueList": {"values": (1, "KeyValue*")},
    "KeyValue": {"key": (1, "string"), "value": (2, "AnyValue?")},
    "Resource": {"attributes": (1, "bytes*")},
    # opentelemetry/proto/metrics/v1/metrics.proto
    "NumberDataPoint": {
        "attributes": (7, "bytes*"), "time_unix_nano": (3, "fixed64"),
        "as_double": (4, "double?"), "as_int": (6, "sfixed64?"), "flags": (8, "uint32"),
    },
    "HistogramDataPoint": {
        "attributes": (9, "bytes*"), "time_unix_nano": (3, "fixed64"), "count": (4, "fixed64"),
        "sum": (5, "double?"), "bucket_counts": (6, "fixed64*"),
        "explicit_bounds": (7, "double*"), "flags": (10, "uint32"), "min": (11, "double?"),
        "max": (12, "double?"),
    },
    "ExponentialHistogramDataPoint": {
        "attributes": (1, "bytes*"), "time_unix_nano": (3, "fixed64"), "count": (4, "fixed64"),
        "sum": (5, "double?"), "flags": (10, "uint32"), "min": (12, "double?"),
        "max": (13, "double?"),
    },
    "Quantile": {"quantile": (1, "double"), "value": (2, "double")},
    "SummaryDataPoint": {
        "attributes": (7, "bytes*"), "time_unix_nano": (3, "fixed64"), "count": (4, "fixed64"),
        "sum": (5, "double"), "quantile_values": (6, "Quantile*"), "flags": (8, "uint32"),
    },
    # opentelemetry/proto/trace/v1/trace.proto
    "Span": {
        "trace_id": (1, "bytes"), "span_id": (2, "bytes"), "parent_span_id": (4, "bytes"),
        "start_time_unix_nano": (7, "fixed64"), "end_time_unix_nano": (8, "fixed64"),
        "attributes": (9, "bytes*"),
    },
    "PartialTraceSuccess": {"rejected_spans": (1, "int64"), "error_message": (2, "string")},
    "ExportTraceServiceResponse": {"partial_success": (1, "PartialTraceSuccess?")},
    "PartialSuccess": {"rejected_data_points": (1, "int64"), "error_message": (2, "string")},
    "ExportMetricsServiceResponse": {"partial_success": (1, "PartialSuccess?")},
}  # fmt: skip


def require(*packages: str) -> None:
    """Raise a 501 that says what to install if one of the packages is missing."""
    if any(find_spec(package) is None for package in packages):
        raise Problem(NOT_IMPLEMENTED, MISSING)


@cache
def message_class(name: str) -> Any:
    """The class of a message of the table above."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="receivers.proto", syntax="proto3")
    for message, fields in _MESSAGES.items():
        entry = file.message_type.add(name=message)
        for field, (number, text) in fields.items():
            kind = text.rstrip("*?")
            added = entry.field.add(name=field, number=number)
            added.label = kinds.LABEL_REPEATED if "*" in text else kinds.LABEL_OPTIONAL
            if kind in _MESSAGES:
                added.type, added.type_name = kinds.TYPE_MESSAGE, f".{kind}"
            else:
                added.type = getattr(kinds, f"TYPE_{kind.upper()}")
                if "?" in text:
                    added.proto3_optional = True
                    added.oneof_index = len(entry.oneof_decl)
                    entry.oneof_decl.add(name=f"_{field}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    classes = message_factory.GetMessageClassesForFiles([file.name], pool)
    return classes[name]


def parse(name: str, data: bytes) -> Any:
    """A message of the table.

    Raises:
        Problem: 400 if it is malformed, 413 if it has more than 256 KiB.
    """
    from google.protobuf.message import DecodeError

    if len(data) > MAX_MESSAGE:
        detail = f"A series or data point may have at most {MAX_MESSAGE} bytes; send several."
        raise Problem(TOO_LARGE, detail)
    try:
        return message_class(name).FromString(data)
    except DecodeError:
        raise malformed() from None


def malformed() -> Problem:
    """The refusal of a malformed message."""
    return Problem(BAD_REQUEST, "The body is not the protobuf message that this path takes.")


class Walk:
    """Walks the messages of one body.

    Args:
        data: the whole body.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._walked = 0

    def fields(self, start: int = 0, end: int | None = None) -> Iterator[_Range]:
        """The fields of the message between two positions; the values of numbers are left out.

        Each field is a step: a body may consist of millions of useless fields.

        Raises:
            Problem: 400 if it is malformed, 413 for too many fields in all.
        """
        data = self.data
        end = len(data) if end is None else end
        while start < end:
            self._walked += 1
            if self._walked > MAX_FIELDS:
                raise Problem(TOO_LARGE, f"A body may have at most {MAX_FIELDS} fields.")
            tag, start = self._varint(start, end)
            kind = tag & 7
            if tag < 8:  # the field number 0
                raise malformed()
            if kind == 2:
                size, start = self._varint(start, end)
                if size > end - start:
                    raise malformed()
                yield tag >> 3, start, start + size
                start += size
                continue
            if kind == 0:
                _, start = self._varint(start, end)
            elif kind in (1, 5):
                start += 8 if kind == 1 else 4
            else:
                raise malformed()
            yield NUMBER, start, start
        if start != end:
            raise malformed()

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        data, value = self.data, 0
        for shift in range(0, 70, 7):
            if at >= end:
                break
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
        raise malformed()
