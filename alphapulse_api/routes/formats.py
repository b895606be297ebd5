"""Rows as JSON, CSV (RFC 4180) and NDJSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from alphapulse_api.encoding import dumps
from alphapulse_api.times import rfc3339

Rows = Sequence[Mapping[str, Any]]


def encode(rows: Rows, form: str, columns: Sequence[str], *, head: bool = True) -> bytes:
    """The rows' bytes in one of the formats.

    Args:
        columns: the CSV's, where there is no row to take them from.
        head: whether the CSV starts with its header line.
    """
    if form == "json":
        return dumps(list(rows))
    if form == "ndjson":
        return b"".join(dumps(row) + b"\n" for row in rows)
    text = io.StringIO()
    names = list(rows[0]) if rows else list(columns)
    writer = csv.writer(text)
    if head:
        writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return text.getvalue().encode()


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
