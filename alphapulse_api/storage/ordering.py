"""The order of a listing, and the keys and cursors that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from alphapulse_api.storage.columns import Columns
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.query import Listing, Where


class Order(NamedTuple):
    """The order of a listing.

    Attributes:
        columns: the columns to order by; the last one makes every key unique.
        types: the types of their values in a cursor.
        descending: the direction of all of them.
    """

    columns: Sequence[str]
    types: Sequence[type]
    descending: bool

    @property
    def sql(self) -> str:
        """The SQL after ORDER BY."""
        return ", ".join(f"{name} DESC" if self.descending else name for name in self.columns)

    def key(self, columns: Columns, row: Row) -> list[Any]:
        """A row's values of the columns that order it."""
        values = dict(zip(columns.names, row, strict=True))
        return [values[name] for name in self.columns]

    def cursor(self, listing: Listing, columns: Columns, row: Row) -> str:
        """The cursor of the page that follows a row."""
        return listing.cursor(*self.key(columns, row))

    def after(self, where: Where, key: Sequence[Any]) -> None:
        """Add the condition of the rows after a key."""
        marks = ", ".join("{}" for _ in key)
        sign = "<" if self.descending else ">"
        where.add(f"({', '.join(self.columns)}) {sign} ({marks})", *key)
