"""Bodies that cost their sender little and a careless server much, for every route with a body."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from marshmallow import fields

from alphapulse_api.http.route import Row
from alphapulse_api.http.route_table import ROWS
from alphapulse_api.schemas.fields import Figure, Figures, Labels, Metadata, Money, Text, Timestamp
from tests.asking import (
    ALERT,
    DECISION,
    POINT,
    PORTFOLIO,
    RULE,
    RULE_TEST,
    SAMPLE,
    SIGNAL,
    SILENCE,
    TRADE,
    USAGE,
)
from tests.hostile_receivers import receiver_bodies
from tests.webhooks import alertmanager, grafana

MEBI = 1024 * 1024
MAX_RECORDS = 10_000  # of an array
RECORD_BYTES = 50
# What is valid, by the last step of the path that is not a variable.
VALID: dict[str, Any] = {
    "metrics": POINT, "portfolio": PORTFOLIO, "alerts": ALERT, "acknowledge": {}, "resolve": {},
    "trades": TRADE, "agents": {"state": "active"}, "signals": SIGNAL, "decisions": DECISION,
    "usage": USAGE, "silences": SILENCE,
    "system": SAMPLE, "commands": {"name": "pause"}, "halt": {},
    "rules": RULE, "test": RULE_TEST,
    "books": {"mode": "paper"},
    "alertmanager": alertmanager({}), "grafana": grafana(), "freqtrade": {"event": "warning"},
    "tradingview": {"message": "BTCUSDT crossed 50000"},
}  # fmt: skip
# Those that are sent gzipped, too.
BOMBS = ("white space", "an array of objects", "positions: empty objects", "tags: empty texts")
POSITION = {"symbol": "AAPL", "quantity": "10", "entry_price": "187.20", "current_price": "190.10"}


class Hostile(NamedTuple):
    """One request: what is hostile about it, where it goes, and its body."""

    shape: str
    method: str
    path: str
    body: bytes
    media_type: str = "application/json"
    coding: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path}: {self.shape}{self.coding and f', {self.coding}'}"


def hostile_requests(size: int = 4 * MEBI, route: str = "") -> Iterator[Hostile]:
    """Each shape for each route that takes it, and for one field of each kind that it has.

    Args:
        size: of a body, about. From half a mebibyte on, arrays have as many records as they may.
        route: method and path of the only one, such as "POST /api/alerts/{id}/resolve".
    """
    for row in ROWS:
        if route not in ("", f"{row.method} {row.path}"):
            continue
        path = row.path.replace("{id}", "x").replace("{token}", "x")
        if row.form is not None:
            for shape, body in _forms(size):
                yield Hostile(shape, row.method, path, body, "application/x-www-form-urlencoded")
        for made in receiver_bodies(row.protocol, size):
            yield Hostile(made.shape, row.method, path, *made[1:])
        if row.body is None:
            continue
        if row.body_is_array:
            # As each record has its own fault there, nothing ends before all are looked at.
            path += "?on_error=continue"
        for shape, body in _bodies(row, size):
            yield Hostile(shape, row.method, path, body)
            if shape in BOMBS:
                yield Hostile(shape, row.method, path, gzip.compress(body, 1), coding="gzip")
        if row.text_body:
            for shape, body in (("a text", b"a" * size), ("lines", b"\n" * size)):
                yield Hostile(shape, row.method, path, body, "text/plain")
        if row.body_may_be_array:
            for shape, media_type, body in _lines(row, size):
                yield Hostile(shape, row.method, path, body, media_type)


def _bodies(row: Row, size: int) -> Iterator[tuple[str, bytes]]:
    assert row.body is not None
    schema, valid = row.body(), valid_record(row)
    keys = b",".join(b'"k%d":1' % n for n in range(size // 12))
    yield "unknown keys", b"{%b}" % keys
    yield "a thousand unknown keys", _with(valid, keys[: keys.index(b',"k1000"')])
    yield "an array of objects", _array(b"{}", size)
    yield "nested arrays", b"[" * size
    yield "nested objects", b'{"a":' * (size // 5)
    yield "white space", b" " * size
    yield "one text", b'"%b"' % (b"a" * size)
    yield "digits", b"1" * size
    yield "commas", b"[%b]" % (b"," * size)
    yield "brackets in pairs", b"[" + b"[]," * (size // 3)
    if row.body_may_be_array or row.body_is_array:
        most = _records(size)
        record = json.dumps(valid).encode()
        yield f"{most:,} valid records", _array(record, most * (len(record) + 1))
        few = b",".join(b'"k%d":1' % n for n in range(40))
        yield f"{most:,} records of 40 unknown keys", _array(b"{%b}" % few, 10 * size, most)
        many = b",".join(b'"k%d":1' % n for n in range(140))
        yield f"{most:,} records of 140 unknown keys", _array(b"{%b}" % many, 10 * size, most)
        yield f"{most:,} numbers", _array(b"1.1", size, most)
    kinds = {type(field): name for name, field in schema.load_fields.items()}
    for name in kinds.values():
        field = schema.load_fields[name]
        for shape, value in _values(field, size):
            record = _with(valid, b'"%b":%b' % (name.encode(), value))
            yield f"{name}: {shape}", b"[%b]" % record if row.body_is_array else record


def _values(field: fields.Field[Any], size: int) -> Iterator[tuple[str, bytes]]:
    match field:
        case fields.List():
            yield "empty texts", _array(b'""', size)
            yield "empty objects", _array(b"{}", size)
            most = _records(size)
            yield f"{most:,} empty objects", _array(b"{}", size, most)
            yield "numbers", _array(b"1.1", size)
            if isinstance(field.inner, fields.Nested):
                yield f"{most:,} valid", _array(json.dumps(POSITION).encode(), 10 * size, most)
        case Metadata() | Labels() | Figures():
            keys = b",".join(b'"k%d":1' % n for n in range(size // 12))
            yield "keys", b"{%b}" % keys
            yield "4,900 keys", b"{%b}" % keys[: keys.index(b',"k4900"')]
            yield "4,900 fractions", b'{"a":%b}' % _array(b"1.1", size, 4_900)
            yield "4,900 texts", b'{"a":%b}' % _array(b'"abc"', size, 4_900)
            yield "fractions", b'{"a":%b}' % _array(b"1.1", size)
            yield "nested 200 deep", b'{"a":' * 200 + b"1" + b"}" * 200
            yield "nested 100,000 deep", b'{"a":' * 100_000 + b"1" + b"}" * 100_000
            yield "half a mebibyte of escapes", b'{"a":"%b"}' % (rb"\u00fc" * (MEBI // 12))
        case Money() | Figure() | Timestamp():
            for digits in (b"1" * 4_000, b"1" * (MEBI // 2), b"1" * size):
                yield f"{len(digits)} digits", digits
                yield f"{len(digits)} digits of a fraction", b"0." + digits
                yield f"{len(digits)} digits as text", b'"%b"' % digits
            yield "a huge exponent", b"1e999999"
            yield "a huge exponent as text", b'"1e-999"'
        case Text() | fields.String():
            yield "half a mebibyte", b'"%b"' % (b"a" * (MEBI // 2))
            yield "half a mebibyte of escapes", b'"%b"' % (rb"\u00fc" * (MEBI // 12))
            yield "long", b'"%b"' % (b"a" * size)


def _lines(row: Row, size: int) -> Iterator[tuple[str, str, bytes]]:
    valid = valid_record(row)
    ndjson, csv = "application/x-ndjson", "text/csv"
    record = json.dumps(valid).encode()
    yield "lines of empty objects", ndjson, b"{}\n" * (size // 3)
    yield "empty lines", ndjson, b"\n" * size
    yield "one line", ndjson, b" " * size
    yield "a line of fractions", ndjson, _array(b"1.1", MEBI // 2)
    lines = 2 * _records(size)
    yield f"{lines:,} valid lines", ndjson, (record + b"\n") * lines
    header = ",".join(valid).encode() + b"\n"
    line = ",".join(map(str, valid.values())).encode() + b"\n"
    yield f"{lines:,} valid lines of CSV", csv, header + line * lines
    yield "cells", csv, header + b"," * size
    yield "a header of cells", csv, b"a," * (size // 2)
    yield "quotes", csv, header + b'"",' * (size // 3)
    yield "an open quote", csv, header + b'"' + b"a\n" * (size // 2)


def _forms(size: int) -> Iterator[tuple[str, bytes]]:
    yield "a long form", b"grant_type=" + b"a" * size
    yield "parameters", b"a=b&" * (size // 4)
    yield "16 KiB of parameters", b"a=b&" * (4 * 1024)
    yield "a long password", b"grant_type=password&username=a&password=" + b"a" * 16_000
    yield "a long token", b"token=" + b"a" * 16_000
    yield "a long refresh token", b"grant_type=refresh_token&refresh_token=" + b"a" * 16_000


def valid_record(row: Row) -> dict[str, Any]:
    for step in reversed(row.path.split("/")):
        if step in VALID:
            return VALID[step]
    raise LookupError(f"VALID has no record for {row.method} {row.path}")


def _records(size: int) -> int:
    """How many records a body of about that size has: at most as many as it may."""
    return min(MAX_RECORDS, size // RECORD_BYTES)


def _array(item: bytes, size: int, most: int | None = None) -> bytes:
    count = size // (len(item) + 1)
    return b"[%b]" % b",".join([item] * (count if most is None else min(most, count)))


def _with(valid: dict[str, Any], member: bytes) -> bytes:
    """The record with one more member; of two of a name the last counts."""
    before = json.dumps(valid).encode()[1:-1]
    return b"{%b%b%b}" % (before, b"," if before else b"", member)


def raw(request: Hostile, head: dict[str, str]) -> bytes:
    """The request as it goes over the wire, for a connection of its own."""
    headers = {
        "Host": "127.0.0.1",
        "Connection": "close",
        "Content-Type": request.media_type,
        "Content-Length": str(len(request.body)),
        **({"Content-Encoding": request.coding} if request.coding else {}),
        **head,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{request.method} {request.path} HTTP/1.1\r\n{lines}\r\n".encode() + request.body


class Sender:
    """A process that sends requests: in the server's own it would hold the server up.

    Args:
        host: of the server.
        port: of the server.
        folder: where requests are put for it.
    """

    def __init__(self, host: str, port: int, folder: Path) -> None:
        self._file = folder / "request"
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-c", _SENDER, host, str(port), str(self._file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def prepare(self, request: bytes) -> None:
        """Take the next request."""
        self._file.write_bytes(request)

    def send(self) -> int:
        """Send what was prepared; returns the status, 0 where the connection broke before it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


# The server may answer, and end the connection, before it has read everything.
_SENDER: Final = """
import socket, sys
host, port, path = sys.argv[1:]
for _ in sys.stdin:
    with open(path, "rb") as file:
        request = file.read()
    answer = b""
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        try:
            connection.sendall(request)
        except ConnectionError:
            pass
        try:
            while part := connection.recv(65536):
                answer += part
        except ConnectionError:
            pass
    print(int(answer[9:12] or 0), flush=True)
"""
