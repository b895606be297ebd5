"""Whether a book takes a snapshot: it is open, and in the same currency."""

from __future__ import annotations

from typing import Final

from alphapulse_api.domain.errors import Conflict
from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.outbox import invalidation_of_book
from alphapulse_api.storage.tables.book_directory import BookDirectory, closed
from alphapulse_api.storage.tables.book_tokens import replace_token

_FIX: Final = "UPDATE books SET currency = $2 WHERE id = $1 AND currency IS NULL"


class Admission:
    """Checks snapshots of one book, in their transactions.

    Args:
        directory: the books.
        book: the book.
    """

    __slots__ = ("_book", "_directory")

    def __init__(self, directory: BookDirectory, book: str) -> None:
        self._directory = directory
        self._book = book

    def __repr__(self) -> str:
        return f"<Admission to {self._book!r}>"

    async def check(self, transaction: Transaction, token: str | None, currency: str) -> None:
        """Check a snapshot; the first one fixes the currency of its book.

        Args:
            transaction: the one that stores the snapshot.
            token: of the list of books, as the insert returned it; None if the snapshot replaces
                one with the same time, which a closed book takes as a correction.
            currency: of the snapshot.

        Raises:
            Conflict: if the book is closed, or in another currency.
        """
        ids = (self._book,)
        if token is None:
            books = await self._directory.read(transaction, ids)
        else:
            books = await self._directory.current(transaction, token, ids)
        book = books.get(self._book)
        if book is None:
            return
        if token is not None and book.closed:
            raise closed(self._book)
        fixed = book.currency
        if fixed is None:
            if await transaction.execute(_FIX, self._book, currency):
                await replace_token(transaction)
                transaction.publish(invalidation_of_book(self._book))
                return
            fixed = (await self._directory.read(transaction, ids))[self._book].currency
        if fixed != currency:
            detail = (
                f"The book {self._book!r} is in {fixed}: a portfolio in {currency} belongs to a "
                "book of its own, which PUT /api/books/{id} or feed.open_book opens."
            )
            raise Conflict(detail, errors=[{"pointer": "/currency", "detail": detail}])
