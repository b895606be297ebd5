"""Prometheus remote write, versions 1 and 2, as points.

`__name__` is the name, the other labels are labels. Samples keep their milliseconds. A stale marker
is a NaN, and so a null: the line of a chart ends there. A native histogram is stored as its count
and sum, `<name>_count` and `<name>_sum`. Exemplars and metadata are skipped.

Sources: https://prometheus.io/docs/specs/prw/remote_write_spec/ and …/remote_write_spec_2_0/.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from alphapulse_api.domain.errors import TOO_LARGE, Problem
from alphapulse_api.domain.points import SeriesName
from alphapulse_api.http.receivers.intake import Decoding, Intake, named
from alphapulse_api.http.receivers.naming import (
    REMEMBERED_BYTES,
    SERIES_REMEMBERED,
    series_named,
)
from alphapulse_api.http.receivers.wire import Walk, malformed, parse

PROTOCOL: Final = "prometheus"
MAX_SYMBOLS: Final = 200_000  # of a version 2 request
MAX_LABELS: Final = 64  # that are decoded at all; a series may have 16
STEP: Final = 32
_SERIES_1: Final = 1
_SYMBOLS: Final = 4
_SERIES_2: Final = 5

Pairs = tuple[bytes, ...]


class Written:
    """How many samples and histograms were written, for the headers of version 2.

    Attributes:
        samples: how many samples were decoded and valid.
        histograms: how many histograms were.
    """

    def __init__(self) -> None:
        self.samples = 0
        self.histograms = 0


def decoding_v1(data: bytes, intake: Intake, written: Written) -> Decoding:
    """Decode a prometheus.WriteRequest."""
    walk = Walk(data)
    for count, (number, start, end) in enumerate(walk.fields()):
        if number == _SERIES_1:
            series = parse("TimeSeries", data[start:end])
            if len(series.labels) > MAX_LABELS:
                intake.refuse(f"a series has over {MAX_LABELS} labels", _size(series))
            else:
                yield from _adding(series, tuple(series.labels), _of_labels, intake, written)
        if count % STEP == 0:
            yield


def decoding_v2(data: bytes, intake: Intake, written: Written) -> Decoding:
    """Decode an io.prometheus.write.v2.Request."""
    symbols: list[bytes] = []
    for count, (number, start, end) in enumerate(Walk(data).fields()):
        if number == _SYMBOLS:
            if len(symbols) == MAX_SYMBOLS:
                raise Problem(TOO_LARGE, f"A body may have at most {MAX_SYMBOLS} symbols.")
            symbols.append(data[start:end])
        if count % STEP == 0:
            yield
    for count, (number, start, end) in enumerate(Walk(data).fields()):
        if number == _SERIES_2:
            series = parse("TimeSeries2", data[start:end])
            refs = series.labels_refs
            if len(refs) > 2 * MAX_LABELS:
                intake.refuse(f"a series has over {MAX_LABELS} labels", _size(series))
            else:
                try:
                    pairs = tuple([symbols[ref] for ref in refs])
                except IndexError:
                    raise malformed() from None
                yield from _adding(series, pairs, _of_pairs, intake, written)
        if count % STEP == 0:
            yield


def _size(series: Any) -> int:
    return len(series.samples) + len(series.histograms)


def _adding(series: Any, key: Pairs, name: Any, intake: Intake, written: Written) -> Decoding:
    remembered = sum(map(len, key)) <= REMEMBERED_BYTES
    found = _remembered(name, key, "") if remembered else named(lambda: name(key, ""))
    if isinstance(found, str):
        if size := _size(series):
            intake.refuse(found, size)
        return
    for count, sample in enumerate(series.samples, 1):
        written.samples += intake.add(found, sample.timestamp * 1000, sample.value)
        if count % STEP == 0:
            yield
    for count, histogram in enumerate(series.histograms, 1):
        # One of the two counts is set; the other is 0.
        figures = {"_count": histogram.count_int + histogram.count_float, "_sum": histogram.sum}
        stored = True
        for suffix, value in figures.items():
            part = _remembered(name, key, suffix) if remembered else named_part(name, key, suffix)
            if isinstance(part, str):
                intake.refuse(part)
                stored = False
            else:
                stored = intake.add(part, histogram.timestamp * 1000, value) and stored
        written.histograms += stored
        if count % STEP == 0:
            yield


def named_part(name: Any, key: Pairs, suffix: str) -> SeriesName | str:
    """The series of one figure of a histogram, or why there is none."""
    return named(lambda: name(key, suffix))


@lru_cache(maxsize=SERIES_REMEMBERED)
def _remembered(name: Any, key: Pairs, suffix: str) -> SeriesName | str:
    return named_part(name, key, suffix)


def _of_labels(labels: Pairs, suffix: str) -> SeriesName:
    parsed = [parse("Label", label) for label in labels]
    return _series(((label.name, label.value) for label in parsed), suffix)


def _of_pairs(pairs: Pairs, suffix: str) -> SeriesName:
    if len(pairs) % 2:
        raise ValueError("a label has no value: an odd number of label references")
    try:
        texts = [text.decode() for text in pairs]
    except UnicodeDecodeError:
        raise ValueError("a label is not UTF-8") from None
    return _series(zip(texts[::2], texts[1::2], strict=True), suffix)


def _series(labels: Iterable[tuple[str, str]], suffix: str) -> SeriesName:
    found: dict[str, str] = {}
    for key, text in labels:
        if key in found:
            raise ValueError("a label is given twice")
        found[key] = text
    name = found.pop("__name__", "")
    if not name:
        raise ValueError("the series has no label __name__")
    return series_named(PROTOCOL, name + suffix, found)
