"""Between a resource's dict and its table row: which column holds which kind of value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Context, Decimal
from typing import Any, Final, NamedTuple

from alphapulse_api.data.engine.base import Transaction
from alphapulse_api.encoding import dumps, loads_stored
from alphapulse_api.errors import Conflict
from alphapulse_api.times import from_micros, to_micros

# For sums and products that keep every digit: the default context keeps 28, a host's maybe fewer.
# Two amounts have at most 76 digits each, and 10000 of their products are summed.
EXACT: Final = Context(prec=200)


class Kind(NamedTuple):
    """How a value is stored and read back; None passes through both ways."""

    store: Callable[[Any], Any] | None = None
    read: Callable[[Any], Any] | None = None


def _digits(value: Decimal) -> str:
    return format(value, "f")


def _json(value: Any) -> str:
    return dumps(value).decode()


PLAIN = Kind()
TIME = Kind(to_micros, from_micros)
DECIMAL = Kind(_digits, Decimal)
JSON = Kind(_json, loads_stored)
BOOLEAN = Kind(int, bool)


class Columns:
    """The columns of one table, in order.

    Args:
        table: the table's name.
        kinds: column name to kind.
    """

    __slots__ = ("_kinds", "insert", "names", "select", "table")

    def __init__(self, table: str, kinds: Mapping[str, Kind]) -> None:
        self.table = table
        self.names = tuple(kinds)
        self.select = ", ".join(self.names)
        marks = ", ".join(f"${i}" for i in range(1, len(self.names) + 1))
        self.insert = f"INSERT INTO {table} ({self.select}) VALUES ({marks})"
        self._kinds = tuple(kinds.items())

    def store(self, record: Mapping[str, Any]) -> list[Any]:
        """The parameters of `insert` for one record; a field that is left out is null."""
        return [
            kind.store(value)
            if (value := record.get(name)) is not None and kind.store is not None
            else value
            for name, kind in self._kinds
        ]

    def read(self, row: Sequence[Any]) -> dict[str, Any]:
        """One row of `select` as the resource's dict."""
        return {
            name: kind.read(value) if value is not None and kind.read is not None else value
            for (name, kind), value in zip(self._kinds, row, strict=True)
        }

    async def insert_once(
        self,
        transaction: Transaction,
        record: Mapping[str, Any],
        *,
        fixed: Sequence[str],
        pointer: str = "/id",
    ) -> tuple[dict[str, Any], bool]:
        """Store a record under its id, once.

        Args:
            record: the columns' values; "id" among them. A value of None in a column that is
                `fixed` says nothing if `record` carries the name in "unsaid".
            fixed: the columns that a repeat must agree in; those the server may change later
                are not among them.
            pointer: where the id stands in the caller's body, for the error.

        Returns:
            The record as stored, and whether it is new.

        Raises:
            Conflict: if the id exists with other content.
        """
        if await transaction.execute(
            f"{self.insert} ON CONFLICT (id) DO NOTHING", *self.store(record)
        ):
            return {name: record.get(name) for name in self.names}, True
        (row,) = await transaction.fetch(
            f"SELECT {self.select} FROM {self.table} WHERE id = $1",
            record["id"],
        )
        stored = self.read(row)
        unsaid: frozenset[str] = record.get("unsaid", frozenset())
        for name in fixed:
            if name not in unsaid and stored[name] != record.get(name):
                detail = f"{record['id']!r} exists already, with another {name}"
                raise Conflict(detail, errors=[{"pointer": pointer, "detail": detail}])
        return stored, False
