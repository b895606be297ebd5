"""Converts between a resource's dict and its table row: the kind of value in each column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.books import NO_BOOK
from alphapulse_api.domain.encoding import dumps, loads_stored
from alphapulse_api.domain.errors import Conflict, Unavailable
from alphapulse_api.domain.times import from_micros, rfc3339_micros, to_micros
from alphapulse_api.storage.bulk import insert_rows, release, select_rows
from alphapulse_api.storage.engine.base import Transaction

A_TURN: Final = 100  # records processed between two turns of the loop
ROUNDS: Final = 10  # of reading again, if a row is deleted between being found and being read


class Kind(NamedTuple):
    """How a value is stored, read back, and read as text has it; None passes through each way.

    Attributes:
        type: of the column, by PostgreSQL's name.
        null: what None is stored as.
    """

    store: Callable[[Any], Any] | None = None
    read: Callable[[Any], Any] | None = None
    plain: Callable[[Any], Any] | None = None
    type: str = "text"
    null: str | None = None


def _digits(value: Decimal) -> str:
    # Zero has no sign: not every store keeps one.
    return format(value if value else value.copy_abs(), "f")


def _json(value: Any) -> str:
    # Most records have no metadata, and no list of fees.
    return _EMPTY[type(value)] if type(value) in _EMPTY and not value else dumps(value).decode()


def _items(*decimals: str, times: tuple[str, ...] = ()) -> Kind:
    """A list of objects, with the names of those members that are decimals or times."""
    conversions: list[tuple[str, Callable[[str], Any]]] = [
        *((name, Decimal) for name in decimals),
        *((name, datetime.fromisoformat) for name in times),
    ]

    def read(text: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = loads_stored(text)
        for item in items:
            for name, convert in conversions:
                if name in item:
                    item[name] = convert(item[name])
        return items

    return Kind(_json, read, loads_stored, "json")


def _book(stored: str) -> str | None:
    return stored or None


_EMPTY: Final[Mapping[type, str]] = {dict: "{}", list: "[]"}
PLAIN = Kind()
NUMBER = Kind(type="bigint")
FLOAT = Kind(type="double precision")
TIME = Kind(to_micros, from_micros, rfc3339_micros, "timestamptz")
DECIMAL = Kind(_digits, Decimal, type="numeric")  # stored as JSON has it
JSON = Kind(_json, loads_stored, loads_stored, "json")
FEES = _items("amount")
USAGE = _items("cost")
INPUTS = _items(times=("timestamp",))
TARGETS = _items("quantity")
CONSTRAINTS = _items("before", "after")
BOOLEAN = Kind(int, bool, bool, "boolean")
ANY_BOOK = Kind(read=_book, plain=_book, null=NO_BOOK)  # of records that may belong to none


LONG_TEXTS: Final = ("message", "comments", "thesis", "reasoning")
BOOK_LIST: Final = "SELECT token FROM book_list"  # another one after each change of a book
Key = tuple[str | None, str]  # the book and the id of a record


class Columns:
    """The columns of one table, in order.

    Args:
        table: the table's name.
        kinds: column name to kind.
        hint: what to do about an id that is taken, as a sentence.
    """

    __slots__ = (
        "_converted",
        "_long",
        "_nulls",
        "_plain",
        "_read",
        "hint",
        "insert",
        "into",
        "kinds",
        "names",
        "select",
        "table",
        "types",
    )

    def __init__(
        self,
        table: str,
        kinds: Mapping[str, Kind],
        *,
        hint: str = "",
    ) -> None:
        self.table = table
        self.hint = hint
        self.kinds = kinds
        self.names = tuple(kinds)
        self.select = ", ".join(self.names)
        self.types = tuple(kind.type for kind in kinds.values())
        marks = ", ".join(f"${i}" for i in range(1, len(self.names) + 1))
        self.into = f"{table} ({self.select})"
        self.insert = f"INSERT INTO {self.into} VALUES ({marks})"
        self._converted = [
            (at, kind.store) for at, kind in enumerate(kinds.values()) if kind.store is not None
        ]
        self._nulls = [
            (at, kind.null) for at, kind in enumerate(kinds.values()) if kind.null is not None
        ]
        self._long = [
            at
            for at, (name, kind) in enumerate(kinds.items())
            if kind.type == JSON.type or name in LONG_TEXTS
        ]
        self._read = [(name, kind.read) for name, kind in kinds.items() if kind.read is not None]
        self._plain = [(name, kind.plain) for name, kind in kinds.items() if kind.plain is not None]

    def store(self, record: Mapping[str, Any]) -> list[Any]:
        """The parameters of `insert` for one record; a field that is left out is null."""
        row = list(map(record.get, self.names))
        for at, convert in self._converted:
            if (value := row[at]) is not None:
                row[at] = convert(value)
        for at, null in self._nulls:
            if row[at] is None:
                row[at] = null
        return row

    def bulk(self, row: Sequence[Any]) -> int:
        """About how many bytes a row of `select` takes: those of the columns that may be long."""
        return sum([len(row[at]) for at in self._long if row[at] is not None])

    def read(self, row: Sequence[Any]) -> dict[str, Any]:
        """One row of `select` as the resource's dict."""
        return self.records([row])[0]

    def records(self, rows: Sequence[Sequence[Any]], plain: bool = False) -> list[dict[str, Any]]:
        """Rows of `select` as the resource's dicts.

        Args:
            plain: with times as RFC 3339 and decimals as text.
        """
        names = self.names
        records = [dict(zip(names, row)) for row in rows]  # noqa: B905 (a tenth of the time)
        # A column at a time, because most columns need no conversion.
        for name, convert in self._plain if plain else self._read:
            for record in records:
                if (value := record[name]) is not None:
                    record[name] = convert(value)
        return records

    def conflict(
        self,
        stored: Mapping[str, Any],
        record: Mapping[str, Any],
        fixed: Sequence[str],
        server_set: frozenset[str],
        pointer: str,
    ) -> Conflict | None:
        """How a record contradicts the stored one with its id; None if it is a repeat.

        Args:
            stored: the stored record.
            record: the one that was sent.
            fixed: the columns in which a repeat must agree, without those that the server may
                change later.
            server_set: the fields that the server set, in which a repeat may differ.
            pointer: to the id, for the error.
        """
        for name in fixed:
            if name not in server_set and stored[name] != record.get(name):
                detail = f"{record['id']!r} exists already, with another {name}"
                detail = f"{detail}. {self.hint}" if self.hint else detail
                return Conflict(detail, errors=[{"pointer": pointer, "detail": detail}])
        return None

    async def insert_new(
        self, transaction: Transaction, records: Mapping[Key, Mapping[str, Any]]
    ) -> tuple[set[Key], dict[Key, dict[str, Any]], str | None]:
        """Store the records whose book and id are new.

        Args:
            records: the columns' values, by book and id.

        Returns:
            The keys of those that were stored; the other rows as they are stored, by key; and, if
            any were stored, the token of the list of books.

        Raises:
            Unavailable: if another book has an id, and the table still has its key without books.
        """
        added: set[Key] = set()
        known: dict[Key, dict[str, Any]] = {}
        # No key is named, because a migration may still have to change it.
        ending = f"ON CONFLICT DO NOTHING RETURNING book, id, ({BOOK_LIST})"
        token: str | None = None
        rounds = 0
        # A row that exists may be deleted before it is read. Then try again.
        while missing := [key for key in records if key not in added and key not in known]:
            rounds += 1
            if rounds > ROUNDS:
                raise Unavailable(
                    f"Until the rows of {self.table} are migrated, an id can be in one book only."
                )
            rows = []
            for at in range(0, len(missing), A_TURN):
                part = missing[at : at + A_TURN]
                rows += [self.store(records[key]) for key in part]
                await transaction.turn()
            # For a few, arrays would cost more than they save.
            types = self.types if len(rows) >= A_TURN else ()
            new = await insert_rows(transaction, self.into, rows, ending, types)
            added.update((book or None, id_) for book, id_, _ in new)
            if new:
                token = new[-1][2]
            await release(transaction, rows)
            keys = [(book or NO_BOOK, id_) for book, id_ in missing if (book, id_) not in added]
            of_keys = ("text", "text") if len(keys) >= A_TURN else ()
            found = await select_rows(
                transaction, self.select, self.table, ("book", "id"), keys, of_keys
            )
            for row in found:
                stored = self.read(row)
                known[key_of(stored)] = stored
        return added, known, token


def key_of(record: Mapping[str, Any]) -> Key:
    """The book and the id of a record."""
    return record["book"], record["id"]
