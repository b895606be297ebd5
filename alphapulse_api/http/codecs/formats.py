"""Encodes rows as JSON, CSV (RFC 4180), NDJSON and Arrow, a stretch at a time."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Protocol

from marshmallow import fields

from alphapulse_api.domain.aggregation import parse_functions
from alphapulse_api.domain.encoded import Encoded
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.holdings import Holdings
from alphapulse_api.domain.times import rfc3339
from alphapulse_api.http.codecs.arrow import ArrowStream
from alphapulse_api.http.route import Row
from alphapulse_api.runtime.slices import Steps
from alphapulse_api.schemas.metrics import ONLY_AGGREGATED
from alphapulse_api.storage.page import Page, parts, plain

FORMATS: Final = {
    "json": "application/json",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "arrow": "application/vnd.apache.arrow.stream",
}
# The formats of exports. JSON is not one of them: a client cannot parse an array before its end.
EXPORTED: Final = {form: media_type for form, media_type in FORMATS.items() if form != "json"}
STEP_ROWS: Final = 50  # encoded in one step at most: half a millisecond
STEP_BYTES: Final = 128 * 1024  # of a step, about: a row may have 64 KiB of metadata
PART_BYTES: Final = 32 * 1024  # of rows encoded at once on a thread: their dicts take ten times it
FIRST_ROWS: Final = 4  # of the first step: the length of rows is not known yet
# The characters that begin a formula in some spreadsheet.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
Rows = Sequence[Mapping[str, Any]]
Columns = Mapping[str, fields.Field[Any]]


def approximate(rows: Rows) -> dict[str, str]:
    """The header that names the fields of an answer that are not exact, if there are any."""
    names = getattr(rows, "approximate", ())
    return {"X-Approximate": ", ".join(names)} if names else {}


class Encoder(Protocol):
    """Encodes the rows of one answer."""

    def rows(self, rows: Rows) -> Steps[bytes]:
        """Encode the next rows in steps; returns their bytes."""
        ...

    def end(self) -> bytes:
        """The bytes after the last row."""
        ...


def encoder(form: str, row: Row, query: Mapping[str, Any], *, spreadsheet: bool = False) -> Encoder:
    """An encoder for one answer.

    Args:
        form: one of FORMATS except JSON, which `dumping_rows` encodes.
        row: the listing.
        query: the parameters: several aggregations have a column each.
        spreadsheet: whether cells of a CSV must not be formulas.
    """
    match form:
        case "ndjson":
            return _Ndjson()
        case "csv":
            return _Csv(columns(row, query), _harmless if spreadsheet else _cell)
    return ArrowStream(columns(row, query))


def whole(encoder: Encoder, rows: Rows) -> Steps[bytes]:
    """All bytes of an answer, encoded in steps."""
    pieces = []
    for part in parts(rows, PART_BYTES):
        pieces.append((yield from encoder.rows(part)))
    return b"".join((*pieces, encoder.end()))


def dumping_rows(rows: Rows) -> Steps[bytes]:
    """The JSON of a page, encoded in steps."""
    if len(rows) <= FIRST_ROWS:
        return dumps(plain(rows))
    parts = []
    start, count = 0, FIRST_ROWS
    while start < len(rows):
        part = dumps(plain(rows, start, start + count))[1:-1]
        parts.append(part)
        start += count
        count = max(1, min(STEP_ROWS, count * STEP_BYTES // (len(part) or 1)))
        yield
    return b"[%b]" % b",".join(parts)


def dumping(answer: Any) -> Steps[bytes]:
    """The JSON of an answer; its long arrays are encoded in steps, and everything only once."""
    if isinstance(answer, Encoded) and "history" not in answer:
        return answer.json
    long = isinstance(answer, Mapping) and any(
        isinstance(member, Page) or (isinstance(member, list) and len(member) > STEP_ROWS)
        for member in answer.values()
    )
    if not long:
        return dumps(answer)
    members = []
    for name, member in answer.items():
        if isinstance(member, Holdings):
            text = member.json
        elif isinstance(member, (list, Page)):
            text = yield from dumping_rows(member)
        else:
            text = dumps(member)
        members.append(b"%b:%b" % (dumps(name), text))
    return b"{%b}" % b",".join(members)


def columns(row: Row, query: Mapping[str, Any]) -> Columns:
    """The columns of a listing's answer, in order, whether it has rows or not."""
    functions = parse_functions(query["aggregation"]) if "aggregation" in query else ()
    found: dict[str, fields.Field[Any]] = {}
    for name, field in row.answer_fields.items():
        if name == "value" and len(functions) > 1:
            found.update((function, row.answer_fields[function]) for function in functions)
        elif not field.metadata.items() >= ONLY_AGGREGATED.items():
            found[name] = field
    return found


def _few(rows: Rows) -> Iterator[Rows]:
    """The rows in their plain form, a few at a time."""
    for at in range(0, len(rows), STEP_ROWS):
        yield plain(rows, at, at + STEP_ROWS)


class _Ndjson:
    """One line per row."""

    def rows(self, rows: Rows) -> Steps[bytes]:
        lines: list[bytes] = []
        for some in _few(rows):
            lines += [dumps(row) + b"\n" for row in some]
            yield
        return b"".join(lines)

    def end(self) -> bytes:
        return b""


class _Csv:
    """A header line, and one line per row.

    Args:
        columns: the header if there is no row; rows of a host's own accessor may have others.
        cell: turns a value into a cell.
    """

    def __init__(self, columns: Columns, cell: Callable[[Any], Any]) -> None:
        self._cell = cell
        self._text = io.StringIO()
        self._writer = csv.writer(self._text)
        self._columns = columns
        self._names: list[str] | None = None

    def rows(self, rows: Rows) -> Steps[bytes]:
        if self._names is None:
            self._names = list(next(iter(plain(rows, 0, 1)), self._columns))
            self._writer.writerow(self._names)
        names, cell = self._names, self._cell
        for some in _few(rows):
            self._writer.writerows([cell(row.get(name)) for name in names] for row in some)
            yield
        taken = self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        return taken

    def end(self) -> bytes:
        return b""


def _harmless(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV injection); numbers are kept."""
    cell = _cell(value)
    if isinstance(cell, str) and cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (dict, list)):
        return dumps(value).decode()
    return value
