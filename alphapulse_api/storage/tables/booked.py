"""What the accessors of records in books share."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from alphapulse_api.domain.books import HOME, NO_BOOK, Books
from alphapulse_api.domain.errors import Conflict, NotFound
from alphapulse_api.storage.columns import Columns
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.query import Where

MOST_NAMED: Final = 5  # books in the text of an error
_EVERY: Final = f"SELECT '{NO_BOOK}' UNION ALL SELECT id FROM books"


def in_books(books: Books, records: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The records with their books: each that names none belongs to the home book."""
    if all("book" in record for record in records):
        return records
    return [
        record if "book" in record else {**record, "book": books.home or None} for record in records
    ]


def listed(books: Books) -> str | None:
    """The books that a cursor belongs to; None: the main book, so that old cursors stay valid."""
    return None if books == HOME else books.text


async def sought(store: Engine | Transaction, books: Books) -> Collection[str]:
    """The books to seek, each by an index.

    Records of no book are among them, if all books are meant.
    """
    if books.ids is not None:
        return books.ids
    return [book for (book,) in await store.fetch(_EVERY)]


async def the_one(
    store: Engine | Transaction, columns: Columns, books: Books, id_: str, noun: str
) -> dict[str, Any]:
    """The record with an id in some books.

    Args:
        columns: of its table.
        noun: what it is, for errors.

    Raises:
        NotFound: if there is none.
        Conflict: if several of the books have one.
    """
    where = Where()
    if books.ids is None:
        where.add(f"book IN ({_EVERY})")
    else:
        where.one_of("book", books.ids)
    where.equal(id=id_)
    rows = await store.fetch(
        f"SELECT {columns.select} FROM {columns.table} {where} "
        f"ORDER BY book LIMIT {MOST_NAMED + 1}",
        *where.args,
    )
    if not rows:
        raise NotFound(f"There is no {noun} {id_!r}.")
    if len(rows) > 1:
        names = [str(columns.read(row)["book"] or "(none)") for row in rows[:MOST_NAMED]]
        more = ", …" if len(rows) > MOST_NAMED else ""
        raise Conflict(
            f"{id_!r} is in several books: {', '.join(names)}{more}. "
            "Say which one with the parameter book."
        )
    return columns.read(rows[0])
