"""Pages by keyset instead of OFFSET; for most resources newest first by (time, id)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from alphapulse_api.domain.books import Books
from alphapulse_api.storage.columns import Columns
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.merging import first_of_many
from alphapulse_api.storage.ordering import Order
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import Listing, Where

# A page of 10,000 rows with 64 KiB of metadata each would take the memory of the process. So rows
# are read in pieces, and a page ends early once it is this long.
PAGE_BYTES: Final = 8 * 1024 * 1024


class Pieces:
    """How many rows to read at once, so that a piece takes few bytes.

    The length of the next rows can only be estimated from the last ones. So a piece has at most
    twice as many rows as the one before it.

    Args:
        first: rows of the first piece.
        most: rows of any piece.
        size: bytes that a piece may take.

    Attributes:
        rows: of the next piece.
    """

    __slots__ = ("_most", "_size", "rows")

    def __init__(self, first: int, most: int, size: int) -> None:
        self.rows = min(first, most)
        self._most = most
        self._size = size

    def __repr__(self) -> str:
        return f"<Pieces rows={self.rows}>"

    def read(self, rows: int, size: int) -> None:
        """Note the rows and bytes of the last piece."""
        fitting = max(1, rows * self._size // max(1, size))
        self.rows = min(2 * self.rows, self._most, fitting)


FIRST_ROWS: Final = 128  # more than a page has by default
PIECE_ROWS: Final = 1000
PIECE_BYTES: Final = 1024 * 1024


ASCENDING: Final = "asc"


def by_time(time: str, sort: str | None = None) -> Order:
    """The order of most resources, by time and id: newest first, unless `sort` is "asc"."""
    return Order((time, "id"), (int, str), descending=sort != ASCENDING)


def by_time_in(books: Books, time: str, sort: str | None = None) -> Order:
    """The same for records in books, several of which may have the same id."""
    if books.one is not None:
        return by_time(time, sort)
    return Order((time, "id", "book"), (int, str, str), descending=sort != ASCENDING)


def not_default(sort: str | None) -> str | None:
    """The order that a cursor belongs to: the default is the same however it is asked for."""
    return sort if sort == ASCENDING else None


async def read_page(
    engine: Engine,
    columns: Columns,
    order: Order,
    listing: Listing,
    where: Where,
    limit: int,
    cursor: str | None,
) -> Page:
    """One page of a table; the arguments are those of `read_rows`."""
    rows, more = await read_rows(engine, columns, order, listing, where, limit, cursor)
    following = order.cursor(listing, columns, rows[-1]) if more else None
    return Page(rows, columns.records, following, bulk=columns.bulk)


async def read_rows(
    engine: Engine,
    columns: Columns,
    order: Order,
    listing: Listing,
    where: Where,
    limit: int,
    cursor: str | None,
) -> tuple[list[Row], bool]:
    """The rows of one page of a table: `limit`, or fewer where rows are very long.

    Args:
        columns: the table.
        order: of the rows; its columns are among the table's.
        listing: the listing that the cursor belongs to.
        where: the conditions so far.
        limit: rows a page.
        cursor: the end of the previous page.

    Returns:
        The rows, and whether more follow.
    """
    after: Sequence[Any] | None = None
    if cursor is not None:
        after = listing.key(cursor, *order.types)
    found: list[Row] = []
    size = 0
    pieces = Pieces(FIRST_ROWS, PIECE_ROWS, PIECE_BYTES)
    while True:
        wanted = min(limit + 1 - len(found), pieces.rows)
        rows = await _following(engine, columns, order, where, wanted, after)
        before = size
        for row in rows:
            size += columns.bulk(row)
            if len(found) == limit or (size > PAGE_BYTES and found):
                return found, True
            found.append(row)
        if len(rows) < wanted:
            return found, False
        after = order.key(columns, found[-1])
        pieces.read(len(rows), size - before)


async def _following(
    engine: Engine,
    columns: Columns,
    order: Order,
    where: Where,
    limit: int,
    after: Sequence[Any] | None,
) -> Sequence[Row]:
    """The next rows, after the row with that key."""
    if where.many is not None:
        return await first_of_many(engine, columns, order, where, limit, after)
    where = where.copy()
    if after is not None:
        order.after(where, after)
    rows = where.newest(columns.table, order.sql, limit)
    return await engine.fetch(
        f"SELECT {columns.select} FROM {rows} ORDER BY {order.sql} LIMIT {where.parameter(limit)}",
        *where.args,
    )
