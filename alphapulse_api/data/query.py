"""The moving parts of a reading statement: conditions and keyset cursors."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from alphapulse_api.errors import ValidationProblem
from alphapulse_api.times import to_micros


def encode_cursor(*key: Any) -> str:
    """An opaque, URL-safe cursor out of a row's ordering key."""
    return base64.urlsafe_b64encode(orjson.dumps(key)).rstrip(b"=").decode()


def decode_cursor(cursor: str, *types: type) -> list[Any]:
    """The ordering key a cursor was made from.

    Raises:
        ValidationProblem: if it is not a cursor of this listing.
    """
    try:
        key = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        key = None
    if (
        not isinstance(key, list)
        or len(key) != len(types)
        or any(type(part) is not kind for part, kind in zip(key, types, strict=True))
        or any(isinstance(part, int) and abs(part) >= 2**63 for part in key)
        or any(isinstance(part, str) and "\x00" in part for part in key)
    ):
        raise ValidationProblem.parameter("cursor", "not a cursor that this listing gave out")
    return key


class Where:
    """Conditions joined by AND, their parameters numbered as they come."""

    __slots__ = ("_conditions", "args")

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self.args: list[Any] = []

    def __str__(self) -> str:
        return f"WHERE {' AND '.join(self._conditions)}" if self._conditions else ""

    def parameter(self, value: Any) -> str:
        """Bind a value; returns its mark."""
        self.args.append(value)
        return f"${len(self.args)}"

    def add(self, condition: str, *values: Any) -> None:
        """Add a condition, each `{}` in it one bound value."""
        self._conditions.append(condition.format(*(self.parameter(v) for v in values)))

    def equal(self, **columns: Any) -> None:
        """Add `column = value` for each value that is not None."""
        for column, value in columns.items():
            if value is not None:
                self.add(f"{column} = {{}}", value)

    def any_of(self, column: str, values: Collection[Any] | None) -> None:
        """Add `column IN (…)`; None asks for nothing."""
        if values is not None:
            marks = ", ".join(self.parameter(v) for v in values) or "NULL"
            self._conditions.append(f"{column} IN ({marks})")

    def between(self, column: str, start: datetime | None, end: datetime | None) -> None:
        """Add the half-open range `start <= column < end`; an end that is None is open."""
        if start is not None:
            self.add(f"{column} >= {{}}", to_micros(start))
        if end is not None:
            self.add(f"{column} < {{}}", to_micros(end))


def window_before(end: datetime, width: timedelta) -> datetime:
    """`width` before `end`, or the first instant that there is."""
    first = datetime.min.replace(tzinfo=UTC)
    return end - width if end - first > width else first


def check_range(start: datetime | None, end: datetime | None) -> None:
    """Refuse an empty or reversed range.

    Raises:
        ValidationProblem: naming start_time.
    """
    if start is not None and end is not None and start >= end:
        raise ValidationProblem.parameter("start_time", "start_time must be before end_time")
