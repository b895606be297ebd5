"""Conditions and keyset cursors of SELECT statements."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from math import prod
from typing import Any, Final

import orjson

from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.times import now, to_micros

FIRST: Final = datetime.min.replace(tzinfo=UTC)  # the start of a range without a start


class Listing:
    """The listing that a cursor belongs to: a resource with its filters, in any range and format.

    Args:
        resource: its name.
        filters: by name; None means no filter.
    """

    __slots__ = ("_mark",)

    def __init__(self, resource: str, **filters: Any) -> None:
        asked = {
            name: sorted(value) if isinstance(value, (list, tuple, set, frozenset)) else value
            for name, value in filters.items()
            if value is not None
        }
        text = orjson.dumps([resource, asked], option=orjson.OPT_SORT_KEYS)
        self._mark = hashlib.blake2b(text, digest_size=6).hexdigest()

    def cursor(self, *key: Any) -> str:
        """An opaque, URL-safe cursor for the ordering key of a row."""
        raw = orjson.dumps((self._mark, *key))
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    def key(self, cursor: str, *types: type) -> list[Any]:
        """The ordering key from which a cursor was made.

        Raises:
            ValidationProblem: if it is not a cursor of this listing.
        """
        key = _decoded(cursor, types)
        if key is None or key[0] != self._mark:
            raise ValidationProblem.parameter(
                "cursor",
                "not a cursor that this listing gave out with these filters; "
                "leave it out to begin with the first page",
            )
        return key[1:]


def _decoded(cursor: str, types: Sequence[type]) -> list[Any] | None:
    """The mark and the key in a cursor; None if it cannot be one."""
    try:
        key = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        return None
    types = (str, *types)
    if (
        not isinstance(key, list)
        or len(key) != len(types)
        or any(type(part) is not kind for part, kind in zip(key, types, strict=True))
        or any(isinstance(part, int) and abs(part) >= 2**63 for part in key)
        or any(isinstance(part, str) and "\x00" in part for part in key)
    ):
        return None
    return key


BOOK_COLUMN: Final = "book"  # every index of records begins with it
ALTERNATIVES: Final = 16  # values, or combinations of values, that are sought one by one


class Where:
    """Conditions joined by AND, with numbered parameters.

    Attributes:
        args: the parameters.
        many: a column and its values, if `any_of` got too many for `newest`.
    """

    __slots__ = ("_alternatives", "_conditions", "args", "many")

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self._alternatives: dict[str, Collection[Any]] = {}
        self.args: list[Any] = []
        self.many: tuple[str, Collection[Any]] | None = None

    def __str__(self) -> str:
        assert not self._alternatives, "any_of is read by newest"
        return f"WHERE {' AND '.join(self._conditions)}" if self._conditions else ""

    def copy(self) -> Where:
        """An independent copy of the conditions."""
        other = Where()
        other._alternatives = {**self._alternatives}
        other._conditions = [*self._conditions]
        other.args = [*self.args]
        other.many = self.many
        return other

    @property
    def conditions(self) -> str:
        """The conditions, without those of many values."""
        assert not self._alternatives, "any_of is read by newest"
        return " AND ".join(self._conditions) or "TRUE"

    def parameter(self, value: Any) -> str:
        """Bind a value; return its placeholder."""
        self.args.append(value)
        return f"${len(self.args)}"

    def add(self, condition: str, *values: Any) -> None:
        """Add a condition; each `{}` in it stands for one bound value."""
        self._conditions.append(condition.format(*(self.parameter(v) for v in values)))

    def equal(self, **columns: Any) -> None:
        """Add `column = value` for each value that is not None."""
        for column, value in columns.items():
            if value is not None:
                self.add(f"{column} = {{}}", value)

    def any_of(self, column: str, values: Collection[Any] | None) -> None:
        """Add that the column has one of the values; None adds nothing.

        The rows are read by `newest`, or by `merging.first_of_many` if there are too many values.
        The column with the most values is added first.
        """
        if values is None:
            return
        values = list(dict.fromkeys(values))
        if len(values) == 1:
            self.add(f"{column} = {{}}", *values)
        elif len(values) > ALTERNATIVES and self.many is None and column == BOOK_COLUMN:
            self.many = column, values
        elif self.many is not None:
            self.one_of(column, values)
        elif values and len(values) * prod(map(len, self._alternatives.values())) <= ALTERNATIVES:
            self._alternatives[column] = values
        else:
            self.one_of(column, values)

    def one_of(self, column: str, values: Collection[Any] | None) -> None:
        """Add that the column has one of the values, for few rows; None adds nothing."""
        if values is not None:
            marks = ", ".join(self.parameter(v) for v in values) or "NULL"
            self._conditions.append(f"{column} IN ({marks})")

    def newest(self, table: str, order: str, limit: int) -> str:
        """A table, or a query in its place, that holds at least the first rows in an order.

        Rows with one of several values are sought value by value, each by an index in that order:
        an `IN` would read and sort all rows that match. With several such columns, every
        combination is sought.

        Args:
            table: its name.
            order: the SQL after ORDER BY.
            limit: the number of rows.
        """
        if not self._alternatives:
            return f"{table} {self}"
        most = self.parameter(limit)
        parts = []
        for values in product(*self._alternatives.values()):
            sought = [
                f"{column} = {self.parameter(value)}"
                for column, value in zip(self._alternatives, values, strict=True)
            ]
            conditions = " AND ".join([*self._conditions, *sought])
            parts.append(
                f"SELECT * FROM (SELECT * FROM {table} WHERE {conditions} "
                f"ORDER BY {order} LIMIT {most}) part"
            )
        return f"({' UNION ALL '.join(parts)}) parts"

    def between(self, column: str, start: datetime | None, end: datetime | None) -> None:
        """Add the half-open range `start <= column < end`; None leaves a side open."""
        if start is not None:
            self.add(f"{column} >= {{}}", to_micros(start))
        if end is not None:
            self.add(f"{column} < {{}}", to_micros(end))


def window_before(end: datetime, width: timedelta) -> datetime:
    """`width` before `end`, or the first representable instant."""
    return end - width if end - FIRST > width else FIRST


def default_range(
    start: datetime | None, end: datetime | None, window: timedelta, ahead: timedelta
) -> tuple[datetime, datetime]:
    """A range with its defaults: it ends now, and begins `window` before its end.

    Without an end, the range includes records up to `ahead` after now, because senders' clocks
    differ. So the newest rows of an answer change only by writes and not by time.

    Raises:
        ValidationProblem: for an empty range.
    """
    at = end or now()
    start = start or window_before(at, window)
    end = end or at + ahead
    check_range(start, end)
    return start, end


def check_range(start: datetime | None, end: datetime | None) -> None:
    """Refuse an empty or reversed range.

    Raises:
        ValidationProblem: naming start_time.
    """
    if start is not None and end is not None and start >= end:
        raise ValidationProblem.parameter("start_time", "start_time must be before end_time")
