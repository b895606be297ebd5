"""The books: opened, changed and closed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.domain.books import ALL, Books
from alphapulse_api.domain.deeds import HOST, Actor, Deed, changed_fields
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.errors import Conflict, NotFound, Unavailable, ValidationProblem
from alphapulse_api.domain.times import now
from alphapulse_api.domain.versions import Precondition, Versioned
from alphapulse_api.storage.columns import PLAIN, TIME, Columns
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.listing import read_page
from alphapulse_api.storage.ordering import Order
from alphapulse_api.storage.outbox import invalidation_of_book
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import Listing, Where
from alphapulse_api.storage.rekeyed import BOOKS as REKEYED
from alphapulse_api.storage.tables.audit import note
from alphapulse_api.storage.tables.book_tokens import replace_token
from alphapulse_api.storage.tables.open_books import TABLES

COLUMNS: Final = Columns(
    "books",
    {
        "id": PLAIN,
        "title": PLAIN,
        "mode": PLAIN,
        "currency": PLAIN,
        "opened_at": TIME,
        "closed_at": TIME,
    },
)
_BY_ID: Final = Order(("id",), (str,), descending=False)
_MIGRATED: Final = frozenset(each.table for each in REKEYED)
Book = dict[str, Any]


class BookDataAccessor:
    """Reads and writes books.

    Args:
        books: those that it shows.
    """

    def __init__(self, engine: Engine, books: Books = ALL) -> None:
        self._engine = engine
        self._books = books

    def of(self, books: Books) -> BookDataAccessor:
        """The same for some books."""
        return BookDataAccessor(self._engine, books)

    async def get_books(
        self, mode: str | None = None, limit: int = 100, cursor: str | None = None
    ) -> Page:
        """One page, by id; raises `ValidationProblem` for a foreign cursor."""
        where = Where()
        where.one_of("id", self._books.ids)
        where.equal(mode=mode)
        listing = Listing("books", mode=mode)
        return await read_page(self._engine, COLUMNS, _BY_ID, listing, where, limit, cursor)

    async def get_ids(self) -> list[str]:
        """The ids of all of them, in order."""
        where = Where()
        where.one_of("id", self._books.ids)
        sql = f"SELECT id FROM books {where} ORDER BY id"
        return [book for (book,) in await self._engine.fetch(sql, *where.args)]

    async def get_book(self, book: str) -> Versioned:
        """One book; raises `NotFound`."""
        found = await self._read(self._engine, self._books.checked(book))
        if found is None:
            raise NotFound(f"There is no book {book!r}.")
        return _versioned(found)

    async def set_book(
        self,
        book: str,
        update: Mapping[str, Any],
        *,
        precondition: Precondition | None = None,
        actor: Actor = HOST,
    ) -> Versioned:
        """Open or change a book; fields that the update leaves out keep their values.

        Args:
            book: its id.
            update: `title`, `mode`, `currency`, and `closed`.
            precondition: what the book has to be before.
            actor: who does it, for the audit log.

        Raises:
            Conflict: if its first record has fixed the mode or the currency.
            ValidationProblem: if a new book has no mode.
            Unavailable: while rows are migrated.
            Problem: 412, if `precondition` does not hold.
        """

        async def work(transaction: Transaction) -> Versioned:
            # One change at a time: the row of the token is locked until the commit.
            await transaction.fetch(f"SELECT token FROM book_list {self._engine.locked}")
            before = await self._read(transaction, book)
            if precondition is not None:
                version = None if before is None else _version(before)
                precondition.check(version, f"book {book!r}")
            after = _merged(book, before, update)
            if after == before:
                return _versioned(after)
            await _check_migrated(transaction)
            if before is None:
                await transaction.execute(COLUMNS.insert, *COLUMNS.store(after))
            else:
                if {**after, "title": before["title"]} != before:
                    await _lock(transaction)
                    await _check_fixed(transaction, before, after)
                await transaction.execute(
                    "UPDATE books SET title = $2, mode = $3, currency = $4, opened_at = $5, "
                    "closed_at = $6 WHERE id = $1",
                    *COLUMNS.store(after),
                )
            await replace_token(transaction)
            await note(transaction, _deed(actor, before, after))
            transaction.publish(invalidation_of_book(book))
            return _versioned(after)

        return await self._engine.write(work)

    async def _read(self, store: Engine | Transaction, book: str) -> Book | None:
        rows = await store.fetch(f"SELECT {COLUMNS.select} FROM books WHERE id = $1", book)
        return COLUMNS.read(rows[0]) if rows else None


def _merged(book: str, before: Book | None, update: Mapping[str, Any]) -> Book:
    """A book after an update."""
    given = {name: update[name] for name in ("title", "mode", "currency") if name in update}
    if before is None:
        if "mode" not in given:
            detail = "Missing: a new book is live, paper or backtest."
            raise ValidationProblem([{"pointer": "/mode", "detail": detail}])
        new = {"id": book, "title": None, "currency": None, "opened_at": now(), "closed_at": None}
        before = {name: new.get(name) for name in COLUMNS.names}
    after = {**before, **given}
    if update.get("closed") is True and before["closed_at"] is None:
        after["closed_at"] = now()
    elif update.get("closed") is False:
        after["closed_at"] = None
    return after


def _deed(actor: Actor, before: Book | None, after: Book) -> Deed:
    if before is None:
        return Deed(actor, "book.create", after["id"], after["id"], after=after)
    return Deed(actor, "book.update", after["id"], after["id"], *changed_fields(before, after))


async def _check_migrated(transaction: Transaction) -> None:
    """Refuse a change of the books while an id can be in one book only.

    Raises:
        Unavailable: if the migration of a table with records is not complete.
    """
    left = {name for (name,) in await transaction.fetch("SELECT name FROM backfills")}
    if tables := sorted(left & _MIGRATED):
        raise Unavailable(
            f"The rows of {', '.join(tables)} are being migrated; until then no book can be opened "
            "or changed. GET /readyz shows the progress.",
            retry_after=30,
        )


async def _lock(transaction: Transaction) -> None:
    """Wait for the transactions that store records, and let later ones wait for this one."""
    if transaction.takes_arrays:  # SQLite has one writer anyway
        await transaction.fetch(f"LOCK TABLE {', '.join(TABLES)} IN SHARE ROW EXCLUSIVE MODE")


async def _check_fixed(transaction: Transaction, before: Book, after: Book) -> None:
    """Refuse another mode or currency of a book that has records.

    Raises:
        Conflict: naming the field.
    """
    for name in ("mode", "currency"):
        if before[name] is None or after[name] == before[name]:
            continue
        for table in TABLES:
            sql = f"SELECT 1 FROM {table} WHERE book = $1 LIMIT 1"
            if await transaction.fetch(sql, before["id"]):
                detail = (
                    f"The first record of the book {before['id']!r} has fixed its {name}: it is "
                    f"{before[name]}. Open another book for {after[name]}."
                )
                raise Conflict(detail, errors=[{"pointer": f"/{name}", "detail": detail}])


def _versioned(book: Book) -> Versioned:
    shown = Versioned(book)
    shown.version = _version(book)
    return shown


def _version(book: Book) -> str:
    return hashlib.blake2b(dumps(book), digest_size=12).hexdigest()
