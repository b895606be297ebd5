"""Reads records from a line-oriented body (NDJSON, CSV) that arrives in pieces.

A reader keeps only the line that has not ended yet. Lines end in LF or CRLF; a byte order mark and
empty lines are skipped.
"""

from __future__ import annotations

import csv
import io
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from marshmallow import Schema, fields

from alphapulse_api.domain.encoding import loads
from alphapulse_api.domain.errors import BAD_REQUEST, TOO_LARGE, VALIDATION, Problem, ProblemType
from alphapulse_api.http.json_scan import MAX_ELEMENT_BYTES, MAX_ELEMENT_VALUES, has_too_many_values
from alphapulse_api.schemas.fields import Count, Figure, Figures, Labels, Metadata
from alphapulse_api.schemas.loading import read_only_fields

MAX_LINE_BYTES: Final = MAX_ELEMENT_BYTES
MAX_RECORD_LINES: Final = 5_000  # of a CSV record with line breaks in its quotes
PAUSE_BYTES: Final = 4096  # of a record between two steps
PAUSE_LINES: Final = 64  # lines without a record between two steps
_BOM: Final = b"\xef\xbb\xbf"
# What each message of the csv module means.
_FAULTS: Final = {
    "new-line character": "a line ends in a bare CR; end lines with LF or CRLF",
    "unexpected end of data": "a quoted cell is never closed",
    "expected after": "a closing quote is followed by neither a comma nor the end of the line",
    "field limit": f"a cell has more than {csv.field_size_limit()} characters",
}
_INFINITIES: Final = (float("inf"), float("-inf"))
_LABEL: Final = "label."  # prefix of the name of a column that holds one label

Record = tuple[int, Any]  # the number of the line it begins in, from 1; and its value


class Records(ABC):
    """Reads one body.

    Args:
        schema: of one record.
        loads: reads JSON.
    """

    def __init__(self, schema: Schema, loads: Callable[[bytes], Any]) -> None:
        self._schema = schema
        self._loads = loads
        self._rest = bytearray()  # of a line that has not ended
        self._begun = False
        self._line = 1  # the number of the first line that was not read yet
        self._count = 0  # records read

    def feed(self, piece: bytes, *, last: bool = False) -> Iterator[Record | None]:
        """The records that end in this piece of the body; None at pauses between or within them.

        Args:
            last: whether the body ends with this piece.

        Raises:
            Problem: 400, 413 or 422 for what cannot be read; `errors` has its place and line.
        """
        end = len(piece) if last else piece.rfind(b"\n") + 1
        self._rest += piece[: end or None]
        if end or last:
            block = bytes(self._rest)
            self._rest = bytearray(piece[end:])
            if not self._begun:
                self._begun = True
                block = block.removeprefix(_BOM)
            yield from self._records(block, last=last)
        self._check_length(len(self._rest))

    @abstractmethod
    def _records(self, block: bytes, *, last: bool) -> Iterator[Record | None]:
        """The records of these whole lines; counts lines and records."""

    def _check_length(self, size: int) -> None:
        if size > MAX_LINE_BYTES:
            raise self._wrong(TOO_LARGE, f"A line may have at most {MAX_LINE_BYTES} bytes.")

    def _wrong(self, kind: ProblemType, detail: str) -> Problem:
        """The error of the next record, which begins in the next line."""
        place = {"pointer": f"/{self._count}", "line": self._line, "detail": detail}
        return Problem(kind, detail, errors=[place])


class NdjsonRecords(Records):
    """One JSON text per line."""

    def _records(self, block: bytes, *, last: bool) -> Iterator[Record | None]:
        lines = block.split(b"\n")
        if not lines[-1]:  # the empty rest after the last line's end
            lines.pop()
        for line in lines:
            if line and not line.isspace():
                if len(line) > MAX_ELEMENT_VALUES and has_too_many_values(line):
                    detail = f"A record may have at most {MAX_ELEMENT_VALUES} values."
                    raise self._wrong(TOO_LARGE, detail)
                try:
                    record = self._loads(line)
                except ValueError as error:
                    raise self._wrong(BAD_REQUEST, f"Not JSON: {error}.") from None
                yield self._line, record
                self._count += 1
                if len(line) > PAUSE_BYTES:
                    yield None
            elif self._line % PAUSE_LINES == 0:
                yield None
            self._line += 1


class CsvRecords(Records):
    """RFC 4180: a header line that names the fields, then one record per line.

    An empty cell means absent, or null if the field is a metric's number. Labels are JSON in the
    column `labels`, or each has its own column `label.<key>`; other objects and lists are JSON.
    """

    def __init__(self, schema: Schema, loads: Callable[[bytes], Any]) -> None:
        super().__init__(schema, loads)
        self._open = ""  # a record whose quotes have not been closed
        self._read = 0  # characters that were read of the text
        self._lines_read = 0  # lines that were read of the record
        self._commas = 0  # in these lines
        self._names: list[str] | None = None
        self._cells: list[tuple[int, str, Callable[[str], Any] | None]] = []
        self._labels: list[tuple[int, str]] = []

    def _records(self, block: bytes, *, last: bool) -> Iterator[Record | None]:
        try:
            text = block.decode("utf-8")
        except UnicodeDecodeError as error:
            self._line += self._open.count("\n") + block.count(b"\n", 0, error.start)
            raise self._wrong(BAD_REQUEST, "Not UTF-8.") from None
        text = self._open + text
        if self._open and not last and '"' not in text[len(self._open) :]:
            # Open quotes stay open.
            self._open = text
            self._check_length(len(text))
            return
        # Cut at LF only: str.splitlines recognizes line breaks that CSV does not.
        self._read = self._lines_read = self._commas = 0
        begin, done = self._line, 0
        lines: Iterable[str] = io.StringIO(text, newline="\n")
        # Where nothing is quoted, a record is a line; a short one has few cells.
        plain = '"' not in text and max(map(len, text.split("\n"))) <= MAX_ELEMENT_VALUES
        if plain:
            self._read = len(text)
        else:
            lines = map(self._bounded, lines)
        reader = csv.reader(lines, strict=True)
        try:
            for cells in reader:
                self._lines_read = self._commas = 0
                if self._names is None:
                    self._read_header(cells)
                elif cells:
                    yield self._line, self._record(cells)
                    self._count += 1
                    if self._read - done > PAUSE_BYTES:
                        yield None
                elif reader.line_num % PAUSE_LINES == 0:
                    yield None
                done = self._read
                self._line = begin + reader.line_num
        except csv.Error as error:
            # At the end of the text it may only mean that the record continues.
            if last or plain or self._read < len(text):
                raise self._wrong(BAD_REQUEST, f"Not CSV: {_fault(str(error))}.") from None
        if last and self._names is None:
            raise self._wrong(VALIDATION, "The first line must name the fields.")
        self._open = text[done:]
        self._check_length(len(self._open))

    def _bounded(self, line: str) -> str:
        """A line of a record; refused where the record may have too many cells, or values."""
        self._read += len(line)
        self._lines_read += 1
        self._commas += line.count(",")
        if self._lines_read > MAX_RECORD_LINES:
            raise self._wrong(TOO_LARGE, f"A record may have at most {MAX_RECORD_LINES} lines.")
        if self._commas > MAX_ELEMENT_VALUES:
            detail = f"A record may have at most {MAX_ELEMENT_VALUES} cells, and values in them."
            raise self._wrong(TOO_LARGE, detail)
        return line

    def _read_header(self, names: list[str]) -> None:
        known = self._schema.fields
        # An export that is sent back includes read-only fields: they are ignored.
        read_only = read_only_fields(self._schema)
        for index, name in enumerate(names):
            key = name.removeprefix(_LABEL)
            if name in read_only:
                continue
            if name in known:
                self._cells.append((index, name, _reading(known[name])))
            elif "labels" in known and key not in ("", name):
                self._labels.append((index, key))
            else:
                raise self._wrong(VALIDATION, f"Unknown column {name!r}.")
        if len(set(names)) < len(names):
            raise self._wrong(VALIDATION, "A column is named twice.")
        if self._labels and "labels" in names:
            raise self._wrong(VALIDATION, "Labels stand in `labels` or in `label.<key>`, not both.")
        self._names = names

    def _record(self, cells: list[str]) -> dict[str, Any]:
        assert self._names is not None
        if len(cells) != len(self._names):
            detail = f"{len(cells)} cells, where the first line names {len(self._names)} fields."
            raise self._wrong(VALIDATION, detail)
        record: dict[str, Any] = {}
        for index, name, read in self._cells:
            cell = cells[index]
            if read is not None and (cell or read is _figure):
                record[name] = read(cell)
            elif cell:
                record[name] = cell
        if self._labels:
            record["labels"] = {key: cells[index] for index, key in self._labels if cells[index]}
        return record


def _fault(message: str) -> str:
    """The fault in the CSV, in place of Python's advice on how to open a file in Python."""
    return next((ours for theirs, ours in _FAULTS.items() if theirs in message), message)


def _reading(field: fields.Field[Any]) -> Callable[[str], Any] | None:
    """The function that reads a field's cells; None: the cell's text is the value."""
    match field:
        case Count():
            return _count
        case Figure():
            return _figure
        case Labels() | Figures() | Metadata() | fields.List():
            return _json
    return None


def _count(cell: str) -> Any:
    """A whole number; anything else stays text, which the schema refuses."""
    return int(cell) if re.fullmatch(r"[0-9]{1,18}", cell) else cell


def _figure(cell: str) -> Any:
    """A number, or null; anything else stays text, which the schema refuses."""
    if not cell:
        return None
    try:
        number = float(cell) if cell.isascii() and "_" not in cell else cell
        # `float` turns a number that no double holds into an infinity; the schema must refuse it.
        gigantic = number in _INFINITIES and any(map(str.isdigit, cell))
        return Decimal(cell) if gigantic else number
    except (ValueError, InvalidOperation):
        return cell


def _json(cell: str) -> Any:
    """The JSON value; anything else stays text, which the schema refuses."""
    try:
        return loads(cell.encode())
    except ValueError:
        return cell
