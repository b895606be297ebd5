r"""InfluxDB's line protocol as points: `measurement,tag=text field=1.5,other=2i 1700000000`.

Each field is a point: its name is `measurement.field`, or the measurement alone for the field
`value`. Tags are labels. Booleans are 1 and 0. Text is left out, since a point is a number.

Source: https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from alphapulse_api.domain.errors import TOO_LARGE, Problem
from alphapulse_api.domain.points import SeriesName
from alphapulse_api.http.receivers.intake import Decoding, Intake, named
from alphapulse_api.http.receivers.naming import (
    REMEMBERED_BYTES,
    SERIES_REMEMBERED,
    series_named,
)

PROTOCOL: Final = "influx"
MAX_LINE: Final = 256 * 1024  # bytes
MAX_FIELDS: Final = 5_000  # of a line, as values of a JSON record
MAX_TAGS: Final = 64  # that are decoded at all; a series may have 16
MAX_TEXT_LINES: Final = 64  # that a quoted text may span
MAX_DIGITS: Final = 64  # of a number
STEP: Final = 16
STEP_FIELDS: Final = 256
# Microseconds in a unit of `precision`; 0 stands for nanoseconds.
PRECISIONS: Final = {
    "ns": 0, "n": 0, "us": 1, "u": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000,
    "h": 3_600_000_000,
}  # fmt: skip
_BOOLEANS: Final = {
    **dict.fromkeys((b"t", b"T", b"true", b"True", b"TRUE"), 1.0),
    **dict.fromkeys((b"f", b"F", b"false", b"False", b"FALSE"), 0.0),
}
# Possessive quantifiers never backtrack, so the time is linear.
_HEAD: Final = re.compile(rb"((?:[^\\ ]++|\\.)++) ++", re.DOTALL)
_FIELD: Final = re.compile(
    rb'((?:[^\\ ,=]++|\\.)++)=("(?:[^"\\]++|\\.)*+"|[^", ]++)(?:(,)| ++|$)', re.DOTALL
)
_OPEN: Final = re.compile(rb'(?:[^\\ ,=]++|\\.)++="(?:[^"\\]++|\\.)*+\\?$', re.DOTALL)
_TIME: Final = re.compile(rb"-?\d{1,20}")
_INTEGER: Final = re.compile(rb"-?\d+[iu]")
_PART: Final = re.compile(rb"((?:[^\\,]|\\.)++)", re.DOTALL)
_TAG: Final = re.compile(rb"((?:[^\\=]|\\.)++)=(.+)", re.DOTALL)
_ESCAPE: Final = re.compile(rb"\\([,= ])")
_WRONG: Final = "not a line of the form measurement,tag=text field=1.5 timestamp"


class _Unfinished(Exception):
    """A text continues on the next line."""


class LineDecoder:
    """Decodes a body of lines that arrives in pieces.

    Args:
        intake: takes the points.
        precision: of the times; a key of PRECISIONS.
    """

    def __init__(self, intake: Intake, precision: str) -> None:
        self._intake = intake
        self._unit = PRECISIONS[precision]
        self._rest = b""
        self._number = 0  # of lines

    def feed(self, piece: bytes, *, last: bool) -> Decoding:
        """Decode the lines that end in this piece.

        Raises:
            Problem: 413 for a line that is too long.
        """
        lines = (self._rest + piece).split(b"\n")
        self._rest = b"" if last else lines.pop()
        open_line = b""
        for count, ended in enumerate(lines, 1):
            line = open_line + b"\n" + ended if open_line else ended
            if len(line) > MAX_LINE:
                raise self._too_long()
            self._number += 1
            # Without a quote, an open text stays open, so it is not parsed again.
            may_end = not open_line or b'"' in ended
            try:
                if not may_end:
                    raise _Unfinished
                yield from self._line(line)
                open_line = b""
            except _Unfinished:
                open_line = line
                if line.count(b"\n") >= MAX_TEXT_LINES:
                    self._intake.refuse("a text has too many lines", line=self._number)
                    open_line = b""
                yield
            except ValueError as error:
                self._intake.refuse(str(error), line=self._number)
                open_line = b""
            if count % STEP == 0:
                yield
        if open_line:
            if last:
                self._intake.refuse("a text does not end", line=self._number)
            else:
                self._number -= open_line.count(b"\n") + 1  # they are read again
                self._rest = open_line + b"\n" + self._rest
        if len(self._rest) > MAX_LINE:
            raise self._too_long()

    def _too_long(self) -> Problem:
        return Problem(TOO_LARGE, f"A line may have at most {MAX_LINE} bytes.")

    def _line(self, line: bytes) -> Decoding:
        """Decode a line; raises ValueError, or _Unfinished."""
        line = line.strip(b" \r\t")
        if not line or line[0] == 35:  # a comment
            return
        if line.count(b",") > MAX_FIELDS:
            raise ValueError(f"a line may have at most {MAX_FIELDS} tags and fields")
        if b"\\" not in line and b'"' not in line:
            parts = line.split(b" ")
            if len(parts) > 3:
                parts = line.split()
            if not 2 <= len(parts) <= 3:
                raise ValueError(_WRONG)
            head, time = parts[0], parts[2] if len(parts) == 3 else b""
            fields: Iterable[tuple[bytes, bytes]] = _plain_fields(parts[1])
        else:
            head, fields, time = _split(line)
        if head.count(b",") > MAX_TAGS:
            raise ValueError(f"a line may have at most {MAX_TAGS} tags")
        values: list[tuple[bytes, float | None]] = []  # a line is stored whole or not at all
        for count, (key, text) in enumerate(fields, 1):
            values.append((key, _value(text)))
            if count % STEP_FIELDS == 0:
                yield
        instant = self._instant(time)
        add, refuse, number = self._intake.add, self._intake.refuse, self._number
        for count, (key, value) in enumerate(values, 1):
            if value is not None:
                short = len(head) + len(key) <= REMEMBERED_BYTES
                series = (_remembered if short else _named)(head, key)
                if isinstance(series, str):
                    refuse(series, line=number)
                else:
                    add(series, instant, value, line=number)
            if count % STEP == 0:
                yield

    def _instant(self, time: bytes) -> int:
        if not time:
            return self._intake.now
        if not _TIME.fullmatch(time):
            raise ValueError("the timestamp is not a whole number")
        return int(time) * self._unit if self._unit else int(time) // 1000


def _plain_fields(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    for field in text.split(b","):
        key, equals, value = field.partition(b"=")
        if not key or not equals or not value:
            raise ValueError(_WRONG)
        yield key, value


def _split(line: bytes) -> tuple[bytes, list[tuple[bytes, bytes]], bytes]:
    """Head, fields and time of a line with escapes or quotes."""
    head = _HEAD.match(line)
    if head is None:
        raise ValueError(_WRONG)
    at = head.end()
    fields: list[tuple[bytes, bytes]] = []
    more = True
    while more:
        field = _FIELD.match(line, at)
        if field is None:
            if _OPEN.match(line, at):
                raise _Unfinished
            raise ValueError(_WRONG)
        fields.append((field[1], field[2]))
        at = field.end()
        more = field[3] is not None
    return head[1], fields, line[at:]


def _value(text: bytes) -> float | None:
    """The number; None for text.

    Raises:
        ValueError: if it is neither.
    """
    if text[0] == 34:
        return None
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number may have at most {MAX_DIGITS} digits")
    if (truth := _BOOLEANS.get(text)) is not None:
        return truth
    if text[-1] in b"iu":
        if not _INTEGER.fullmatch(text):
            raise ValueError(_not_a_value(text))
        return float(text[:-1])
    try:
        value = float(text)
    except ValueError:
        raise ValueError(_not_a_value(text)) from None
    if b"_" in text or not math.isfinite(value):
        raise ValueError(_not_a_value(text))
    return value


def _not_a_value(text: bytes) -> str:
    return f"not a number, boolean or quoted text: {text.decode('utf-8', 'replace')}"


@lru_cache(maxsize=SERIES_REMEMBERED)
def _remembered(head: bytes, field: bytes) -> SeriesName | str:
    return _named(head, field)


def _named(head: bytes, field: bytes) -> SeriesName | str:
    return named(lambda: _series(head, field))


def _series(head: bytes, field: bytes) -> SeriesName:
    measurement, *tags = _PART.findall(head)
    if head[0] == 44:  # a comma
        raise ValueError(_WRONG)
    name = _text(measurement)
    key = _text(field)
    labels: dict[str, str] = {}
    for tag in tags:
        pair = _TAG.fullmatch(tag)
        if pair is None:
            raise ValueError(_WRONG)
        labels[_text(pair[1])] = _text(pair[2])
    return series_named(PROTOCOL, name if key == "value" else f"{name}.{key}", labels)


def _text(part: bytes) -> str:
    try:
        return _ESCAPE.sub(rb"\1", part).decode()
    except UnicodeDecodeError:
        raise ValueError("the line is not UTF-8") from None
