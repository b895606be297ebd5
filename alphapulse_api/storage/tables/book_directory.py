"""What a process knows of the books, so that storing a record costs no query for its book.

Each change of a book replaces a token. Inserts of records return it, read in their own transaction,
so a process notices that what it knows is outdated before the record is committed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from alphapulse_api.domain.books import MAIN
from alphapulse_api.domain.errors import Conflict, ValidationProblem
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.query import Where

REMEMBERED: Final = 10_000  # books


class Book(NamedTuple):
    """What storing a record depends on.

    Attributes:
        currency: None until the first portfolio fixes it.
    """

    id: str
    currency: str | None
    closed: bool


class BookDirectory:
    """Remembers the books that were looked for.

    Args:
        engine: the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # Replaced as a whole, because transactions may run on another thread.
        self._state: tuple[str | None, Mapping[str, Book]] = (None, {})
        self._existing = {MAIN}

    def __repr__(self) -> str:
        return f"<BookDirectory books={len(self._state[1])}>"

    async def missing(self, ids: Collection[str | None]) -> set[str]:
        """Those of the books that do not exist; a book is never removed."""
        unknown = {book for book in ids if book is not None} - self._existing
        if unknown:
            self._existing.update(await self.read(self._engine, unknown))
            if len(self._existing) > REMEMBERED:
                self._existing = {MAIN}
        return unknown - self._existing

    async def check(self, book: str | None) -> None:
        """Check that the book of a record exists.

        Raises:
            ValidationProblem: if it does not.
        """
        if await self.missing((book,)):
            raise ValidationProblem([{"pointer": "/book", "detail": unknown(str(book))}])

    async def currency(self, book: str) -> str | None:
        """The currency of a book, if it is fixed."""
        found = (await self.read(self._engine, (book,))).get(book)
        return found and found.currency

    def remembered(self, ids: Collection[str]) -> list[Book]:
        """Those of the books that are remembered; they may have changed."""
        known = self._state[1]
        return [known[book] for book in ids if book in known]

    async def current(
        self, transaction: Transaction, token: str, ids: Collection[str]
    ) -> Mapping[str, Book]:
        """Books by id as they are in a transaction.

        Args:
            token: as the transaction has read it.
            ids: the books.
        """
        before, known = self._state
        if token == before and all(book in known for book in ids):
            return known
        return await self.read(transaction, ids)

    async def read(self, store: Engine | Transaction, ids: Collection[str]) -> Mapping[str, Book]:
        """Read books; returns those that exist, and others that are remembered."""
        where = Where()
        where.one_of("b.id", ids)
        rows = await store.fetch(
            "SELECT l.token, b.id, b.currency, b.closed_at FROM book_list l "
            f"LEFT JOIN books b ON {str(where).removeprefix('WHERE ')}",
            *where.args,
        )
        token = rows[0][0]
        before, known = self._state
        found = {id_: Book(id_, currency, at is not None) for _, id_, currency, at in rows if id_}
        if token == before and len(known) < REMEMBERED:
            found = {**known, **found}
        self._state = token, found
        return found


def unknown(book: str) -> str:
    """Why a record of a book is refused that does not exist."""
    return (
        f"There is no book {book!r}. Open it first, with PUT /api/books/{book} or "
        f"feed.open_book({book!r}, mode=...)."
    )


def closed(book: str, pointer: str = "/book") -> Conflict:
    """The refusal of a new record in a closed book."""
    detail = (
        f"The book {book!r} is closed: it takes late facts and corrections, and nothing new. "
        f'PUT /api/books/{book} with {{"closed": false}} opens it again.'
    )
    return Conflict(detail, errors=[{"pointer": pointer, "detail": detail}])
